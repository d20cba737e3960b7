// What an upload reads from: hashes the content once, and remembers the last of it, so that what was lost can be sent
// again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/io/digest_stream.h"
#include "libcommon/io/stream.h"
#include "libcommon/registry/repository.h"

namespace proa::registry {

class SentWindow final : public io::Source {
 public:
  static constexpr std::size_t kSize = 4 << 20;

  SentWindow(io::Source& content, const UploadPlan& plan, std::string what);
  // At the end of the content its digest and size are compared with the plan: Corrupt is thrown in place of the end.
  std::size_t read(io::Buffer buffer) override;

  // Reads `count` bytes (at most kSize) ahead. True: that was all.
  bool read_ahead(std::size_t count);
  // Goes on from `offset`; false when that is ahead of what was read, or too far back and the content cannot be opened
  // again.
  bool rewind(std::uint64_t offset);
  std::uint64_t position() const { return position_; }
  // Reads what is left without sending it (the peer took as much as was announced) and so makes sure of the check
  // above.
  void check_end();
  // Everything, when read_ahead() said so.
  std::string all() const;
  const std::optional<oci::Digest>& digest() const { return digest_; }  // known at the end
  std::uint64_t size() const { return total_; }

 private:
  std::size_t pull(io::Buffer buffer);

  io::HashingSource content_;
  UploadPlan plan_;
  std::string what_;
  std::vector<std::byte> ring_;        // byte N of the content is at N % kSize
  std::uint64_t total_ = 0;            // read from the content
  std::uint64_t position_ = 0;         // handed out
  std::unique_ptr<io::Source> again_;  // what lies before the window, opened once more: from position_ to total_
  std::optional<oci::Digest> digest_;
};

}  // namespace proa::registry
