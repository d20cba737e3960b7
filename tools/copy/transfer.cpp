#include "tools/copy/transfer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/file.h"

namespace proa::copy {

void TransferProgress::blob_started(std::size_t slot, Item item, const oci::Descriptor& blob) {
  const std::string name =
      fmt::format("Copying {} {}", item == Item::Config ? "config" : "blob", blob.digest.short_id());
  auto& added = progress_.add(name, blob.size);
  const std::lock_guard guard(mutex_);
  if (items_.size() <= slot) items_.resize(slot + 1);
  items_[slot] = &added;
}

cli::ProgressItem* TransferProgress::find(std::size_t slot) {
  const std::lock_guard guard(mutex_);
  return slot < items_.size() ? items_[slot] : nullptr;
}

void TransferProgress::blob_advanced(std::size_t slot, std::uint64_t bytes) {
  if (auto* item = find(slot)) item->add(bytes);
}

void TransferProgress::blob_finished(std::size_t slot, Outcome outcome) {
  auto* item = find(slot);
  if (item == nullptr) return;
  switch (outcome) {
    case Outcome::Copied:
      item->finish("done");
      break;
    case Outcome::Reused:
      item->finish("already exists");
      break;
    case Outcome::Failed:
      item->finish("failed");
      break;
  }
}

void TransferProgress::note(std::string_view line) { progress_.note(std::string(line)); }

std::string CompressedBlobs::path_of(const oci::DiffId& layer, io::Compression compression) const {
  return fmt::format("{}/{}.{}", folder_, layer.hex(), io::compression_name(compression));
}

std::optional<transport::StoredBlob> CompressedBlobs::find(const oci::DiffId& layer, io::Compression compression) {
  const auto text = os::try_read_file(path_of(layer, compression), 4096);
  if (!text) return std::nullopt;
  const auto parts = cut(trim(*text), " ");
  if (!parts) return std::nullopt;
  const auto digest = oci::Digest::try_parse(parts->first);
  const auto size = parse_integer<std::uint64_t>(parts->second);
  if (!digest || !size) return std::nullopt;
  return transport::StoredBlob{.digest = *digest, .size = *size};
}

void CompressedBlobs::remember(const oci::DiffId& layer, io::Compression compression,
                               const transport::StoredBlob& blob) {
  try {
    os::make_dirs(folder_);
    const std::string path = path_of(layer, compression);
    const std::string temporary = path + "." + random_hex(8);
    auto file = os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    os::write_all(file.get(), fmt::format("{} {}\n", blob.digest.str(), blob.size), temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw system_error("rename to " + path);
  } catch (const Error& error) {
    log::debug(error.text());  // the next push compresses once more
  }
}

io::Compression parse_compression(const std::string& text) {
  if (text == "gzip") return io::Compression::Gzip;
  if (text == "zstd") return io::Compression::Zstd;
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown compression format {}", escape_control(text)),
              "gzip and zstd are known");
}

std::string parse_manifest_format(const std::string& text) {
  if (text == "oci") return std::string(oci::kOciManifest);
  if (text == "v2s2" || text == "docker") return std::string(oci::kDockerManifest);
  if (text == "v2s1")
    throw Error(ErrorCode::Unsupported, "Docker's manifest version 2, schema 1 is not made any more",
                "use v2s2 or oci");
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown format \"{}\"", escape_control(text)),
              "choose oci or v2s2");
}

void write_new_file(const std::string& path, std::string_view text) {
  auto file = os::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  os::write_all(file.get(), text, path);
}

}  // namespace proa::copy
