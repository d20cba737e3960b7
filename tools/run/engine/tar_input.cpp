#include "tools/run/engine/tar_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string_view>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "tools/run/engine/image.h"

namespace proa::engine {
namespace {

constexpr std::size_t kHead = 6;

bool is_compressed(std::string_view head) {
  using std::string_view_literals::operator""sv;
  for (const auto magic : {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv, "\xfd\x37zXZ\0"sv, "BZh"sv}) {
    if (head.starts_with(magic)) return true;
  }
  return false;
}

// What was read already, then the rest.
class Joined final : public io::Source {
 public:
  Joined(std::string head, std::unique_ptr<io::Source> rest) : head_(std::move(head)), rest_(std::move(rest)) {}
  std::size_t read(io::Buffer buffer) override {
    const std::size_t size = head_.read(buffer);
    return size != 0 ? size : rest_->read(buffer);
  }

 private:
  io::MemorySource head_;
  std::unique_ptr<io::Source> rest_;
};

std::pair<os::UniqueFd, os::UniqueFd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error("pipe2");
  return {os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
}

}  // namespace

void TarInput::decompress(os::UniqueFd input, const std::string& head) {
  auto [packed, packed_end] = make_pipe();
  auto [plain, plain_end] = make_pipe();
  pump_.emplace(os::fork_process([&, &from = packed, &to = packed_end, &other = plain] {
    from.reset();
    other.reset();
    io::FdSink sink(std::move(to), "archive");
    sink.write(io::as_bytes(head));
    io::FdSource rest(std::move(input), "archive");
    io::copy(rest, sink);
    return 0;
  }));
  packed_end.reset();
  os::SpawnPlan plan;
  plan.program = sibling_program("proa-copy");
  plan.arguments = {"store-unpack"};
  plan.descriptors = {{packed.get(), STDIN_FILENO}, {plain_end.get(), STDOUT_FILENO}};
  unpacker_.emplace(os::spawn(plan));
  source_ = std::make_unique<io::FdSource>(std::move(plain), "archive");
}

TarInput::TarInput(os::UniqueFd input, const std::string& name) {
  std::array<std::byte, kHead> buffer;
  const std::size_t size = os::read_full(input.get(), buffer, name);
  std::string head(io::as_text(io::Bytes(buffer.data(), size)));
  if (is_compressed(head)) {
    decompress(std::move(input), head);
  } else {
    source_ = std::make_unique<Joined>(std::move(head), std::make_unique<io::FdSource>(std::move(input), name));
  }
}

void TarInput::finish() {
  if (unpacker_ && !unpacker_->wait().success()) {
    throw Error(ErrorCode::Corrupt, "the archive cannot be decompressed");
  }
}

os::UniqueFd open_archive_file(const std::string& path) {
  if (path != "-") return os::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (::isatty(STDIN_FILENO) == 1) throw Error(ErrorCode::InvalidArgument, "cannot read an archive from a terminal");
  os::UniqueFd file(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!file.valid()) throw system_error("duplicate standard input");
  return file;
}

}  // namespace proa::engine
