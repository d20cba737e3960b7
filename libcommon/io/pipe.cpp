#include "libcommon/io/pipe.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "libcommon/base/error.h"

namespace proa::io {

// A ring. The lock is held while bytes are copied: both ends move large blocks, so contention costs less than a second
// queue of chunks would.
struct Pipe::State {
  explicit State(std::size_t capacity) : ring(std::max<std::size_t>(capacity, 1)) {}

  std::mutex mutex;
  std::condition_variable readable, writable;
  std::vector<std::byte> ring;
  std::size_t start = 0, filled = 0;
  bool finished = false, writer_gone = false, reader_gone = false;
  std::exception_ptr failure;

  std::size_t read(Buffer buffer) {
    if (buffer.empty()) return 0;
    std::unique_lock lock(mutex);
    readable.wait(lock, [&] { return filled != 0 || finished || writer_gone || failure; });
    if (filled == 0) {
      if (failure) std::rethrow_exception(failure);
      if (finished) return 0;
      throw Error(ErrorCode::Cancelled, "the other end of the stream gave up");
    }
    std::size_t count = std::min({buffer.size(), filled, ring.size() - start});
    std::memcpy(buffer.data(), ring.data() + start, count);
    start = (start + count) % ring.size();
    filled -= count;
    lock.unlock();
    writable.notify_one();
    return count;
  }

  void write(Bytes data) {
    while (!data.empty()) {
      std::unique_lock lock(mutex);
      writable.wait(lock, [&] { return filled < ring.size() || reader_gone; });
      if (reader_gone) throw Error(ErrorCode::Cancelled, "the other end of the stream gave up");
      std::size_t end = (start + filled) % ring.size();
      std::size_t room = end < start ? start - end : ring.size() - end;
      std::size_t count = std::min({data.size(), room, ring.size() - filled});
      std::memcpy(ring.data() + end, data.data(), count);
      filled += count;
      lock.unlock();
      readable.notify_one();
      data = data.subspan(count);
    }
  }

  template <typename Change>
  void change(Change change_flags) {
    {
      std::lock_guard lock(mutex);
      change_flags();
    }
    readable.notify_all();
    writable.notify_all();
  }
};

namespace {

template <typename State>
class PipeSource final : public Source {
 public:
  explicit PipeSource(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::size_t read(Buffer buffer) override { return state_->read(buffer); }

 private:
  std::shared_ptr<State> state_;
};

template <typename State>
class PipeSink final : public Sink {
 public:
  explicit PipeSink(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void write(Bytes data) override { state_->write(data); }
  void finish() override {
    state_->change([this] { state_->finished = true; });
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

Pipe::Pipe(std::size_t capacity)
    : state_(std::make_shared<State>(capacity)),
      source_(std::make_unique<PipeSource<State>>(state_)),
      sink_(std::make_unique<PipeSink<State>>(state_)) {}

Pipe::~Pipe() {
  close_reader();
  close_writer();
}

Source& Pipe::source() { return *source_; }
Sink& Pipe::sink() { return *sink_; }

void Pipe::fail(std::exception_ptr reason) {
  state_->change([&] { state_->failure = std::move(reason); });
}

void Pipe::close_writer() noexcept {
  state_->change([this] { state_->writer_gone = true; });
}

void Pipe::close_reader() noexcept {
  state_->change([this] { state_->reader_gone = true; });
}

}  // namespace proa::io
