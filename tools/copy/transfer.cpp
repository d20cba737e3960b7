#include "tools/copy/transfer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "libcommon/base/bytes.h"
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
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  slots_[slot] = {.item = &added, .bytes = 0};
}

void TransferProgress::blob_advanced(std::size_t slot, std::uint64_t bytes) {
  cli::ProgressItem* item = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (slot >= slots_.size()) return;
    slots_[slot].bytes += bytes;
    item = slots_[slot].item;
  }
  if (item != nullptr) item->add(bytes);
}

void TransferProgress::blob_finished(std::size_t slot, Outcome outcome) {
  cli::ProgressItem* item = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (slot >= slots_.size()) return;
    item = slots_[slot].item;
    if (outcome == Outcome::Copied) {
      ++copied_;
      bytes_ += slots_[slot].bytes;
    }
    if (outcome == Outcome::Reused) ++reused_;
  }
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
    case Outcome::Stopped:
      item->finish("stopped");
      break;
  }
}

void TransferProgress::summarize() {
  using Mode = cli::Progress::Mode;
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  if (progress_.mode() == Mode::Json) {
    progress_.object(fmt::format(R"({{"status":"summary","copied":{},"reused":{},"bytes":{},"seconds":{:.3f}}})",
                                 copied_, reused_, bytes_, seconds));
    return;
  }
  progress_.note(fmt::format("Copied {} {} ({}), {} already there, in {:.1f}s", copied_,
                             copied_ == 1 ? "blob" : "blobs", human_size(static_cast<double>(bytes_), 3), reused_,
                             seconds));
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
  // A chunked one is a zstd file to every reader; the table of contents that it adds is not made here.
  if (text == "zstd" || text == "zstd:chunked") return io::Compression::Zstd;
  if (text == "uncompressed" || text == "none") return io::Compression::None;
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown compression format {}", escape_control(text)),
              "choose gzip, zstd or uncompressed");
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
