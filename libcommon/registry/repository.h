// One repository of a registry: manifests, blobs, uploads, tags. distribution-spec v1.1. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
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

struct UploadPlan {
  std::optional<oci::Digest> digest;  // nullopt: known only at the end of the content
  std::optional<std::uint64_t> size;
  // Opens the content once more, from an offset on: for uploads that broke too far ahead. Empty: not possible.
  std::function<std::unique_ptr<io::Source>(std::uint64_t offset)> reopen = {};
};

struct UploadedBlob {
  oci::Digest digest;
  std::uint64_t size;
};

class Repository {
 public:
  Repository(std::shared_ptr<Session> session, std::string path, Access access);

  // --- reading
  // `reference`: tag or digest. NotFound; Corrupt when it has not the digest that was asked for; LimitExceeded above 4
  // MiB.
  RemoteManifest manifest(std::string_view reference, std::stop_token stop = {}) const;
  // nullopt: there is none. Where the registry does not tell the digest, the manifest is read.
  std::optional<oci::Digest> manifest_digest(std::string_view reference, std::stop_token stop = {}) const;
  // Picks up a broken transfer where it stopped. NOT verified: size and digest are checked by who wraps it
  // (VerifyingSource). `offset`: only what follows it.
  std::unique_ptr<io::Source> unverified_blob(const oci::Descriptor& blob, std::stop_token stop = {},
                                              std::uint64_t offset = 0) const;
  bool has_blob(const oci::Digest& digest, std::stop_token stop = {}) const;
  // All tags in the registry's order. LimitExceeded above a million.
  std::vector<std::string> tags(std::stop_token stop = {}) const;
  // The manifests that name `subject`, from the registry's list or, where it keeps none, from the index under the tag
  // sha256-HEX. `artifact_type`: only these; empty: all.
  std::vector<oci::Descriptor> referrers(const oci::Digest& subject, std::string_view artifact_type = {},
                                         std::stop_token stop = {}) const;

  // --- writing
  // Sends the content whether or not the registry has it. Corrupt when digest or size are not the planned ones: nothing
  // stays then. Broken transfers are taken up or started again as long as the last 4 MiB that were sent allow it.
  UploadedBlob put_blob(io::Source& content, const UploadPlan& plan, std::stop_token stop = {}) const;
  // Makes a blob of another repository of this registry known here. false: not possible, upload it.
  bool mount_blob(const oci::Digest& digest, std::string_view from_repository, std::stop_token stop = {}) const;
  // Returns the digest of `raw`. `reference`: tag or digest. A manifest with a subject is also put into the index under
  // the subject's tag where the registry does not list referrers itself; delete_manifest() takes it out again.
  oci::Digest put_manifest(std::string_view reference, std::string_view raw, std::string_view media_type,
                           std::stop_token stop = {}) const;
  void delete_manifest(const oci::Digest& digest, std::stop_token stop = {}) const;

  const std::string& path() const { return path_; }
  const std::string& host() const { return session_->host(); }
  std::string name() const { return session_->host() + "/" + path_; }

 private:
  friend class BlobSource;
  friend class UploadSession;
  // `target`: below /v2/PATH/ unless it starts with '/' or is a URL.
  Session::Call make_call(std::string method, std::string_view target) const;
  http::Response send(Session::Call call, std::stop_token stop) const {
    return session_->send(std::move(call), std::move(stop));
  }
  [[noreturn]] void refuse(http::Response& response, std::string_view doing) const;
  // nullopt: the registry keeps no list.
  std::optional<std::vector<oci::Descriptor>> listed_referrers(const oci::Digest& subject,
                                                               std::string_view artifact_type,
                                                               const std::stop_token& stop) const;
  std::optional<oci::Index> referrers_tag(const oci::Digest& subject, const std::stop_token& stop) const;
  void list_referrer(std::string_view raw, std::string_view media_type, const oci::Digest& digest,
                     const std::stop_token& stop) const;
  std::optional<oci::Digest> subject_to_leave(const oci::Digest& digest, const std::stop_token& stop) const;
  void unlist_referrer(const oci::Digest& subject, const oci::Digest& digest, const std::stop_token& stop) const;

  std::shared_ptr<Session> session_;
  std::string path_;
  std::string scope_;
};

}  // namespace proa::registry
