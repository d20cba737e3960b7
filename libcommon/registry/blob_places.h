// In which repositories of which registry blobs were seen: where a blob that a push needs is in another repository
// already, the registry can mount it from there, and nothing is sent. A hint only: the registry is always asked.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/digest.h"

namespace proa::registry {

// A folder with a file for each registry: lines "DIGEST REPOSITORY", the newest last. Lines are appended whole; what a
// crash or a full disk leaves of one is passed over. At its ceiling a file is written anew with its newer half.
// Thread-safe, and for several processes at once. Failures are never errors of a copy: they are logged for debugging.
class BlobPlaces {
 public:
  static constexpr std::size_t kMaxFile = 512 << 10;  // some 5000 blobs: read in a few milliseconds

  // Empty: nothing is remembered.
  explicit BlobPlaces(std::string folder) : folder_(std::move(folder)) {}

  // Other repositories than `repository` that had the blob, newest first.
  std::vector<std::string> find(const std::string& host, const oci::Digest& blob, std::string_view repository);
  void remember(const std::string& host, const oci::Digest& blob, const std::string& repository);
  // It is not there any more.
  void forget(const std::string& host, const oci::Digest& blob, const std::string& repository);

 private:
  struct Known {
    std::map<std::string, std::vector<std::string>, std::less<>> places;  // by digest; oldest first
  };
  std::string path_of(const std::string& host) const;
  Known& known(const std::string& host);
  void append(const std::string& host, const std::string& line) const;
  void shrink(const std::string& path) const;

  std::string folder_;
  std::mutex mutex_;
  std::map<std::string, Known> hosts_;
};

}  // namespace proa::registry
