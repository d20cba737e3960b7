// Running a copy with what the user sees of it.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "libcommon/cli/command.h"
#include "libcommon/cli/progress.h"
#include "libcommon/image/copy.h"

namespace proa::copy {

// "Copying blob sha256:..." lines or bars on stderr.
class TransferProgress final : public image::CopyObserver {
 public:
  // `how`: the word of --progress.
  explicit TransferProgress(bool quiet, const std::string& how = {})
      : progress_(quiet ? cli::Progress::Mode::Silent : cli::Progress::parse(how)),
        started_(std::chrono::steady_clock::now()) {}

  // "Copied 3 blobs (12MB, 5 more were there) in 2.1s": the last line of a transfer.
  void summarize();

  void blob_started(std::size_t slot, Item item, const oci::Descriptor& blob) override;
  void blob_advanced(std::size_t slot, std::uint64_t bytes) override;
  void blob_finished(std::size_t slot, Outcome outcome) override;
  void note(std::string_view line) override;

 private:
  struct Slot {
    cli::ProgressItem* item = nullptr;
    std::uint64_t bytes = 0;
  };

  cli::Progress progress_;
  std::chrono::steady_clock::time_point started_;
  std::mutex mutex_;
  std::deque<Slot> slots_;
  std::size_t copied_ = 0, reused_ = 0;
  std::uint64_t bytes_ = 0;
};

// --progress, for the verbs that move images.
template <typename Options>
void progress_flag(cli::CommandBuilder<Options>& builder, std::string Options::*field) {
  builder.value("progress", field, "How to show progress: auto, tty, plain, json or none", "HOW");
}

// $CACHE/compressed/HEX.gzip says which blob a layer was compressed to. A hint: the peer is asked whether it has the
// blob.
class CompressedBlobs final : public image::BlobMemory {
 public:
  explicit CompressedBlobs(std::string folder) : folder_(std::move(folder)) {}
  std::optional<transport::StoredBlob> find(const oci::DiffId& layer, io::Compression compression) override;
  void remember(const oci::DiffId& layer, io::Compression compression, const transport::StoredBlob& blob) override;

 private:
  std::string path_of(const oci::DiffId& layer, io::Compression compression) const;
  std::string folder_;
};

// "gzip", "zstd"; InvalidArgument for others.
io::Compression parse_compression(const std::string& text);
// "oci", "v2s2", "docker" -> media type of the manifest.
std::string parse_manifest_format(const std::string& text);

// Writes a file that must not exist (--digestfile, --iidfile): a link or an old file in its place is an error.
void write_new_file(const std::string& path, std::string_view text);

}  // namespace proa::copy
