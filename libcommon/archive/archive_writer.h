// Writing docker-archive and oci-archive files: members stream into a tar. Same bytes for same members.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libcommon/io/stream.h"

namespace proa::archive {

class ArchiveWriter {
 public:
  explicit ArchiveWriter(io::Sink& out);
  ~ArchiveWriter();
  ArchiveWriter(ArchiveWriter&&) noexcept;

  void add_directory(const std::string& name);
  // Exactly `size` bytes must come from `content`: Corrupt when they do not.
  void add_file(const std::string& name, std::uint64_t size, io::Source& content);
  void add_file(const std::string& name, std::string_view content);
  void add_symlink(const std::string& name, const std::string& target);
  // The end mark; then finish() of the sink.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace proa::archive
