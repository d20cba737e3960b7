#include "libcommon/transport/transport.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"

namespace proa::transport {

oci::Digest ManifestBytes::digest() const { return io::digest_of(bytes); }

ManifestBytes ImageSource::manifest(const std::optional<oci::Digest>& instance, std::stop_token stop) const {
  ManifestBytes found = read_manifest(instance, std::move(stop));
  if (found.bytes.size() > oci::kMaxManifestSize) {
    throw Error(ErrorCode::LimitExceeded,
                fmt::format("manifest of {} is larger than {} bytes", name(), oci::kMaxManifestSize));
  }
  // A name by digest says which bytes are wanted just as an index entry does.
  std::optional<oci::Digest> expected = instance;
  if (!expected) {
    if (auto reference = docker_reference()) expected = reference->digest();
  }
  if (expected) {
    const auto actual = io::digest_of(io::as_bytes(found.bytes), expected->algorithm());
    if (actual != *expected) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("manifest of {} has digest {}, expected {}", name(), actual.str(), expected->str()));
    }
  }
  return found;
}

std::unique_ptr<io::Source> ImageSource::blob(const oci::Descriptor& blob, std::stop_token stop) const {
  return std::make_unique<io::VerifyingSource>(open_blob(blob, std::move(stop)), blob.digest, blob.size,
                                               fmt::format("blob {} of {}", blob.digest.str(), name()));
}

std::unique_ptr<io::Source> ImageSource::open_blob_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                                        std::stop_token stop) const {
  auto content = open_blob(blob, std::move(stop));
  std::vector<std::byte> buffer(1 << 16);
  while (offset > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), offset));
    const auto got = content->read(io::Buffer(buffer.data(), part));
    if (got == 0) throw Error(ErrorCode::Corrupt, fmt::format("blob {} is shorter than before", blob.digest.str()));
    offset -= got;
  }
  return content;
}

std::vector<trust::Signature> ImageSource::signatures(const oci::Digest&, const std::optional<oci::Digest>&,
                                                      std::stop_token) const {
  return {};
}

void ImageDestination::put_signatures(const std::vector<trust::Signature>&, const oci::Digest&,
                                      const std::optional<oci::Digest>&, std::stop_token) {
  throw Error(ErrorCode::Internal, fmt::format("{} cannot hold signatures", name()));
}

void ImageDestination::set_origin(const oci::Reference&, const oci::Digest&) {}

void ImageDestination::announce_layers(const std::vector<BlobUse>&, std::stop_token) {}

std::optional<std::string> ImageDestination::present_config(const oci::Descriptor&) { return std::nullopt; }

void ImageDestination::put_index(const ManifestBytes&, std::stop_token) {
  throw Error(ErrorCode::Unsupported, fmt::format("{} holds one image only, not an index of several", name()));
}

}  // namespace proa::transport
