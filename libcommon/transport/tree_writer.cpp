#include "libcommon/transport/tree_writer.h"

#include <fmt/core.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"

namespace proa::transport {

StoredBlob store_content(const BlobPlan& plan, io::Source& content, io::Sink& sink, std::stop_token stop) {
  io::Hasher hasher(plan.digest ? plan.digest->algorithm() : oci::DigestAlgorithm::Sha256);
  std::array<std::byte, 1 << 16> buffer;
  std::uint64_t size = 0;
  while (const auto got = content.read(buffer)) {
    if (stop.stop_requested()) throw Error(ErrorCode::Cancelled, "stopped");
    const io::Bytes data(buffer.data(), got);
    hasher.update(data);
    sink.write(data);
    size += got;
  }
  StoredBlob stored{.digest = hasher.finish(), .size = size};
  if (plan.digest && stored.digest != *plan.digest) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("content has digest {}, expected {}", stored.digest.str(), plan.digest->str()));
  }
  if (plan.size && stored.size != *plan.size) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("{} has {} bytes, expected {}", stored.digest.str(), stored.size, *plan.size));
  }
  return stored;
}

}  // namespace proa::transport
