#include "libcommon/archive/import.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/compression.h"

namespace proa::archive {
namespace {

bool needs_libarchive(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("BZh"sv) ||
         head.starts_with(
             "\xfd"
             "7zXZ\0"sv) ||
         head.starts_with("\x5d\0\0"sv);  // .lzma has no magic; this is how every encoder begins
}

// libarchive as a decompressor: its "raw" format yields the bytes behind the filters. Only the filters named here are
// switched on, none of which runs a program, and no archive format at all.
class LibarchiveSource final : public io::Source {
 public:
  explicit LibarchiveSource(std::unique_ptr<io::Source> inner) : inner_(std::move(inner)), input_(io::kBufferSize) {
    auto* a = reader_.get();
    if (a == nullptr) throw Error(ErrorCode::Internal, "libarchive cannot be set up");
    check(archive_read_support_filter_bzip2(a));
    check(archive_read_support_filter_xz(a));
    check(archive_read_support_filter_lzma(a));
    check(archive_read_support_format_raw(a));
    check(archive_read_open(a, this, nullptr, &LibarchiveSource::feed, nullptr));
    archive_entry* entry = nullptr;
    check(archive_read_next_header(a, &entry));
  }

  std::size_t read(io::Buffer buffer) override {
    auto got = archive_read_data(reader_.get(), buffer.data(), buffer.size());
    if (got < 0) fail();
    return static_cast<std::size_t>(got);
  }

 private:
  struct Free {
    void operator()(struct ::archive* a) const { archive_read_free(a); }
  };

  // An exception must not pass through C: it waits until libarchive has returned.
  static la_ssize_t feed(struct ::archive* a, void* self_pointer, const void** data) {
    auto* self = static_cast<LibarchiveSource*>(self_pointer);
    try {
      *data = self->input_.data();
      return static_cast<la_ssize_t>(self->inner_->read(self->input_));
    } catch (...) {
      self->pending_ = std::current_exception();
      archive_set_error(a, EIO, "reading failed");
      return ARCHIVE_FATAL;
    }
  }

  void check(int result) {
    // ARCHIVE_WARN: a filter that would run a program, which none of ours does.
    if (result != ARCHIVE_OK) fail();
  }

  [[noreturn]] void fail() {
    if (pending_) std::rethrow_exception(pending_);
    const char* text = archive_error_string(reader_.get());
    throw Error(ErrorCode::Corrupt,
                std::string("compressed stream: ") + (text != nullptr ? escape_control(text) : "broken data"));
  }

  std::unique_ptr<io::Source> inner_;
  std::vector<std::byte> input_;
  std::exception_ptr pending_;
  std::unique_ptr<struct ::archive, Free> reader_{archive_read_new()};
};

}  // namespace

std::unique_ptr<io::Source> decompress_import(std::unique_ptr<io::Source> inner) {
  auto [source, head] = io::peek(std::move(inner), 6);
  if (needs_libarchive(head)) return std::make_unique<LibarchiveSource>(std::move(source));
  return io::decompress(std::move(source), io::detect_compression(io::as_bytes(head)));
}

}  // namespace proa::archive
