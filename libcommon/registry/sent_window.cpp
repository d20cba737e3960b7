#include "libcommon/registry/sent_window.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "libcommon/base/error.h"

namespace proa::registry {

SentWindow::SentWindow(io::Source& content, const UploadPlan& plan, std::string what)
    : content_(content, plan.digest ? plan.digest->algorithm() : oci::DigestAlgorithm::Sha256),
      plan_(plan),
      what_(std::move(what)) {}

std::size_t SentWindow::pull(io::Buffer buffer) {
  if (digest_) return 0;
  const std::size_t count = content_.read(buffer);
  if (count > 0) {
    if (ring_.size() < kSize) ring_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kSize, total_ + count)));
    for (std::size_t done = 0; done < count;) {
      const auto at = static_cast<std::size_t>(total_ % kSize);
      const std::size_t part = std::min(count - done, kSize - at);
      std::memcpy(ring_.data() + at, buffer.data() + done, part);
      done += part;
      total_ += part;
    }
    return count;
  }
  digest_ = content_.finish();
  if (plan_.size && *plan_.size != total_) {
    throw Error(ErrorCode::Corrupt, fmt::format("{}: {} bytes expected, got {}", what_, *plan_.size, total_));
  }
  if (plan_.digest && *plan_.digest != *digest_) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("{}: digest {} expected, got {}", what_, plan_.digest->str(), digest_->str()));
  }
  return 0;
}

std::size_t SentWindow::read(io::Buffer buffer) {
  std::size_t count = 0;
  if (position_ == total_) {
    // A piece must not be larger than the window, or its own start would be overwritten.
    count = pull(buffer.first(std::min(buffer.size(), kSize)));
  } else if (again_) {
    count = again_->read(
        buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), total_ - position_))));
    if (count == 0) throw Error(ErrorCode::Corrupt, fmt::format("{}: the content is shorter on the second try", what_));
  } else {
    const auto at = static_cast<std::size_t>(position_ % kSize);
    count = static_cast<std::size_t>(std::min<std::uint64_t>({buffer.size(), total_ - position_, kSize - at}));
    std::memcpy(buffer.data(), ring_.data() + at, count);
  }
  position_ += count;
  return count;
}

bool SentWindow::read_ahead(std::size_t count) {
  std::array<std::byte, 65536> buffer;
  while (!digest_ && total_ < count) {
    pull(std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), count - total_))));
  }
  return digest_.has_value();
}

bool SentWindow::rewind(std::uint64_t offset) {
  if (offset > total_) return false;
  again_.reset();
  if (total_ - offset > kSize) {
    if (!plan_.reopen) return false;
    again_ = plan_.reopen(offset);
  }
  position_ = offset;
  return true;
}

void SentWindow::check_end() {
  std::array<std::byte, 1> more;
  const bool all = position_ == total_ && (plan_.size ? total_ >= *plan_.size : digest_.has_value());
  if (!all) throw Error(ErrorCode::Unavailable, fmt::format("{}: the registry stopped reading in the middle", what_));
  if (pull(more) > 0) {
    throw Error(ErrorCode::Corrupt, fmt::format("{}: {} bytes expected, got more", what_, plan_.size.value_or(0)));
  }
}

std::string SentWindow::all() const { return std::string(io::as_text({ring_.data(), ring_.size()})); }

}  // namespace proa::registry
