#include "libcommon/archive/archive_writer.h"

#include "libcommon/archive/tar_writer.h"
#include "libcommon/base/error.h"

namespace proa::archive {

struct ArchiveWriter::State {
  explicit State(io::Sink& sink) : out(sink), tar(sink) {}
  io::Sink& out;
  TarWriter tar;

  // Time 0, owner 0: the archive is a container for blobs, nothing about the members but their bytes matters.
  void header(EntryKind kind, const std::string& name, std::uint64_t size, const std::string& link = {}) {
    TarEntry entry;
    entry.kind = kind;
    entry.path = name;
    entry.link = link;
    entry.mode = kind == EntryKind::Directory ? 0755 : kind == EntryKind::Symlink ? 0777 : 0644;
    entry.size = entry.stored_size = size;
    tar.begin(entry);
  }
};

ArchiveWriter::ArchiveWriter(io::Sink& out) : state_(std::make_unique<State>(out)) {}
ArchiveWriter::~ArchiveWriter() = default;
ArchiveWriter::ArchiveWriter(ArchiveWriter&&) noexcept = default;

void ArchiveWriter::add_directory(const std::string& name) {
  state_->header(EntryKind::Directory, name, 0);
  state_->tar.end();
}

void ArchiveWriter::add_file(const std::string& name, std::uint64_t size, io::Source& content) {
  state_->header(EntryKind::File, name, size);
  std::vector<std::byte> buffer(io::kBufferSize);
  std::uint64_t left = size;
  while (std::size_t got = content.read(buffer)) {
    if (got > left)
      throw Error(ErrorCode::Corrupt, name + ": longer than the " + std::to_string(size) + " bytes announced");
    state_->tar.write(io::Bytes(buffer.data(), got));
    left -= got;
  }
  if (left != 0)
    throw Error(ErrorCode::Corrupt, name + ": shorter than the " + std::to_string(size) + " bytes announced");
  state_->tar.end();
}

void ArchiveWriter::add_file(const std::string& name, std::string_view content) {
  state_->header(EntryKind::File, name, content.size());
  state_->tar.write(io::as_bytes(content));
  state_->tar.end();
}

void ArchiveWriter::add_symlink(const std::string& name, const std::string& target) {
  state_->header(EntryKind::Symlink, name, 0, target);
  state_->tar.end();
}

void ArchiveWriter::finish() {
  state_->tar.finish();
  state_->out.finish();
}

}  // namespace proa::archive
