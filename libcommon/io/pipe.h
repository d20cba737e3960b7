// A bounded pipe between two threads: memory stays flat however big the stream is.
#pragma once

#include <memory>

#include "libcommon/io/stream.h"

namespace proa::io {

// write() waits while `capacity` bytes are queued. An end that is destroyed early wakes the other one: the reader then throws
// Cancelled unless finish() was called, the writer throws Cancelled. fail() hands the reader an exception of the writer's side.
class Pipe {
 public:
  explicit Pipe(std::size_t capacity = 1 << 20);
  ~Pipe();
  Source& source();
  Sink& sink();
  void fail(std::exception_ptr reason);   // from the writer's thread
  void close_reader() noexcept;           // from the reader's thread, when it gives up

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace proa::io
