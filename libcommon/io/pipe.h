// A bounded pipe between two threads: memory stays flat however big the stream is.
#pragma once

#include <exception>
#include <memory>

#include "libcommon/io/stream.h"

namespace proa::io {

// write() waits while `capacity` bytes are queued. The sink's finish() is the end of the stream: without it a reader
// never sees a clean end, but Cancelled (close_writer) or the writer's own exception (fail); bytes queued before are
// still read. The pipe must outlive both threads; it is destroyed after they were joined.
class Pipe {
 public:
  explicit Pipe(std::size_t capacity = 1 << 20);
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  Source& source();
  Sink& sink();
  void fail(std::exception_ptr reason);  // from the writer's thread: what the reader throws
  void close_writer() noexcept;          // from the writer's thread, when it gives up without a reason
  void close_reader() noexcept;          // from the reader's thread, when it gives up: the writer throws Cancelled

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace proa::io
