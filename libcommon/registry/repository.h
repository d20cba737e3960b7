// One repository of a registry: manifests, blobs, uploads, tags. distribution-spec v1.1. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/io/stream.h"
#include "libcommon/oci/digest.h"
#include "libcommon/oci/image.h"
#include "libcommon/registry/session.h"

namespace proa::registry {

enum class Access { Pull, Push, Delete };

struct RemoteManifest {
  std::string raw;         // exactly the bytes that `digest` is of
  std::string media_type;  // Content-Type without parameters; empty when the registry gave none that says anything
  oci::Digest digest;
};

class Repository {
 public:
  Repository(std::shared_ptr<Session> session, std::string path, Access access);

  // --- reading
  // `reference`: tag or digest. NotFound; Corrupt when digest or announced digest are not those of the body;
  // LimitExceeded above 4 MiB.
  RemoteManifest manifest(std::string_view reference) const;
  // nullopt: there is none. The digest may be missing in the answer of old registries; then the manifest is read.
  std::optional<oci::Digest> manifest_digest(std::string_view reference) const;
  // Verifies size and digest; picks up a broken transfer where it stopped.
  std::unique_ptr<io::Source> blob(const oci::Descriptor& descriptor) const;
  bool has_blob(const oci::Digest& digest) const;
  // All tags in the registry's order. LimitExceeded above 1 000 000.
  std::vector<std::string> tags() const;
  // Manifests that name `digest` as their subject; nullopt: the registry has no such list (then the tag sha256-HEX may
  // be one).
  std::optional<std::string> referrers(const oci::Digest& digest) const;

  // --- writing
  struct Upload {
    std::optional<oci::Digest> digest;  // nullopt: known only at the end of `content`
    std::optional<std::uint64_t> size;
    // Opens the content once more, from an offset on: lets a broken upload go on or start again. Empty: one try.
    std::function<std::unique_ptr<io::Source>(std::uint64_t offset)> reopen;
  };
  // Uploads, whether or not the registry has it. Corrupt when digest or size are not those of the content: nothing
  // stays then. Returns digest and size of what was stored.
  std::pair<oci::Digest, std::uint64_t> put_blob(io::Source& content, const Upload& upload) const;
  // Makes a blob of another repository of this registry known here. false: not possible, upload it.
  bool mount_blob(const oci::Digest& digest, std::string_view from_repository) const;
  // Returns the digest of `raw`.
  oci::Digest put_manifest(std::string_view reference, std::string_view raw, std::string_view media_type) const;
  void delete_manifest(const oci::Digest& digest) const;

  const std::string& path() const { return path_; }
  Session& session() const { return *session_; }

 private:
  http::Response call(std::string method, std::string target, http::Headers headers = {},
                      std::string extra_scope = {}) const;
  std::string describe(std::string_view doing) const;

  std::shared_ptr<Session> session_;
  std::string path_;
  std::string scope_;
};

}  // namespace proa::registry
