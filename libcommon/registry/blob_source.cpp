#include "libcommon/registry/blob_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/registry/answer.h"

namespace proa::registry {
namespace {

// However much moves each time: a server that cuts every answer short must not keep us for ever.
constexpr int kMaxReopened = 100;
constexpr std::uint64_t kProgress = 64 << 10;

// "bytes 500-999/1000" starts at 500.
std::optional<std::uint64_t> range_start(const http::Response& response) {
  const auto header = response.header("Content-Range");
  if (!header || !header->starts_with("bytes ")) return std::nullopt;
  const auto text = header->substr(6);
  return parse_integer<std::uint64_t>(text.substr(0, text.find('-')));
}

}  // namespace

BlobSource::BlobSource(const Repository& repository, const oci::Descriptor& blob, std::uint64_t offset,
                       std::stop_token stop)
    : repository_(repository),
      blob_(blob),
      stop_(stop),
      tries_(repository.session_->retry_policy(), std::move(stop)),
      at_(offset) {
  if (at_ < blob_.size || at_ == 0) open();
}

void BlobSource::open() {
  const std::string doing = fmt::format("reading blob {} in {}", blob_.digest.str(), repository_.name());
  auto call = repository_.make_call("GET", "blobs/" + blob_.digest.str());
  auto whole = call;
  if (at_ > 0) call.request.headers.emplace_back("Range", fmt::format("bytes={}-", at_));
  auto response = repository_.send(std::move(call), stop_);
  bool partial = response.status == 206 && at_ > 0;
  // No part, or not the one that was asked for: a server that is no good at this has to send everything.
  if ((response.status == 416 && at_ > 0) || (partial && range_start(response) != at_)) {
    partial = false;
    response = repository_.send(std::move(whole), stop_);
  }
  // The image is there, but not whole: that is no answer to "is there such an image".
  if (response.status == 404)
    throw Error(ErrorCode::Io, fmt::format("{}: {}", doing, words_of(response)),
                "the registry has lost a part of the image: push it again");
  if (response.status != 200 && !partial) repository_.refuse(response, doing);
  body_ = std::move(response.body);
  if (at_ > 0 && !partial) skip_to_position();
  opened_at_ = at_;
}

// The server ignores Range and begins anew: what we have goes by, and the digest over all of it still decides.
void BlobSource::skip_to_position() {
  std::array<std::byte, 65536> buffer;
  for (std::uint64_t left = at_; left > 0;) {
    const auto count =
        body_->read(std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
    if (count == 0)
      throw Error(ErrorCode::Corrupt, fmt::format("blob {}: shorter on the second try", blob_.digest.str()));
    left -= count;
  }
}

std::size_t BlobSource::read(io::Buffer buffer) {
  if (at_ > blob_.size || buffer.empty()) return 0;
  buffer = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), blob_.size + 1 - at_)));
  while (true) {
    if (!body_) open();  // has its own tries
    try {
      const std::size_t count = body_->read(buffer);
      at_ += count;
      if (count > 0 || at_ >= blob_.size) return count;
      // A complete answer, yet too short: an answer without length that was cut looks like that.
      body_.reset();
      if (reopened_ >= kMaxReopened || !tries_.again()) return 0;
    } catch (const http::TransferError& error) {
      body_.reset();
      // Everything is here; that the announced length was another is the server's mistake, and the digest is checked
      // anyway.
      if (at_ == blob_.size) return 0;
      log::debug(error.message());
      if (at_ - opened_at_ >= kProgress) tries_.progress();
      if (reopened_ >= kMaxReopened || !tries_.again()) throw;
    }
    ++reopened_;
    opened_at_ = at_;
  }
}

}  // namespace proa::registry
