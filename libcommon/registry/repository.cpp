#include "libcommon/registry/repository.h"

#include <fmt/core.h>

#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/url.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/blob_source.h"

namespace proa::registry {
namespace {

constexpr std::size_t kMaxTags = 1'000'000;
constexpr std::size_t kMaxTagPage = 16 << 20;
constexpr int kMaxTagPages = 10'000;

std::string manifest_accept() {
  return fmt::format("{}, {}, {}, {}", oci::kOciManifest, oci::kOciIndex, oci::kDockerManifest,
                     oci::kDockerManifestList);
}

// References are validated where they are parsed; a tag that reaches this is one path segment.
std::string segment(std::string_view reference) {
  return oci::Digest::try_parse(reference) ? std::string(reference) : http::percent_encode(reference);
}

std::optional<oci::Digest> announced_digest(const http::Response& response) {
  const auto header = response.header("Docker-Content-Digest");
  return header ? oci::Digest::try_parse(*header) : std::nullopt;
}

std::string scopes_for(const std::string& path, Access access) {
  const std::string_view actions = access == Access::Pull   ? "pull"
                                   : access == Access::Push ? "pull,push"
                                                            : "pull,delete";
  return fmt::format("repository:{}:{}", path, actions);
}

void add_tags(const std::string& page, const std::string& name, std::vector<std::string>& tags) {
  const auto json = read_json(page);
  if (!json.is_object())
    throw Error(ErrorCode::Corrupt, fmt::format("listing tags of {}: the answer is no JSON object", name));
  const auto list = json.find("tags");
  if (list == json.end() || !list->is_array()) return;  // null: none
  for (const auto& tag : *list) {
    if (tag.is_string()) tags.push_back(tag.get<std::string>());
  }
}

}  // namespace

Repository::Repository(std::shared_ptr<Session> session, std::string path, Access access)
    : session_(std::move(session)), path_(std::move(path)), scope_(scopes_for(path_, access)) {}

Session::Call Repository::make_call(std::string method, std::string_view target) const {
  Session::Call call;
  call.request.method = std::move(method);
  const bool is_complete = target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://");
  call.request.url = is_complete ? std::string(target) : fmt::format("/v2/{}/{}", path_, target);
  call.scopes = {scope_};
  call.repository = path_;
  return call;
}

void Repository::refuse(http::Response& response, std::string_view doing) const {
  throw_answer(response, doing, session_->host(), session_->asker(path_));
}

RemoteManifest Repository::manifest(std::string_view reference, std::stop_token stop) const {
  const std::string doing = fmt::format("reading manifest {} in {}", reference, name());
  auto call = make_call("GET", "manifests/" + segment(reference));
  call.request.headers.emplace_back("Accept", manifest_accept());
  auto response = send(std::move(call), stop);
  if (response.status != 200) refuse(response, doing);
  std::string type = media_type_of(response);
  if (type.starts_with("application/vnd.docker.distribution.manifest.v1+")) {
    throw Error(ErrorCode::Unsupported, fmt::format("{}: Docker schema 1 images are not supported", doing),
                "push the image again with a current program");
  }
  std::string raw = io::read_all(*response.body, oci::kMaxManifestSize, doing);

  const auto asked = oci::Digest::try_parse(reference);
  const auto announced = announced_digest(response);
  const auto algorithm = asked ? asked->algorithm() : announced ? announced->algorithm() : oci::DigestAlgorithm::Sha256;
  oci::Digest actual = io::digest_of(io::as_bytes(raw), algorithm);
  for (const auto& expected : {asked, announced}) {
    if (expected && expected->algorithm() == algorithm && *expected != actual) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("{}: digest {} expected, got {}", doing, expected->str(), actual.str()));
    }
  }
  return {.raw = std::move(raw), .media_type = std::move(type), .digest = std::move(actual)};
}

std::optional<oci::Digest> Repository::manifest_digest(std::string_view reference, std::stop_token stop) const {
  auto call = make_call("HEAD", "manifests/" + segment(reference));
  call.request.headers.emplace_back("Accept", manifest_accept());
  auto response = send(std::move(call), stop);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) refuse(response, fmt::format("looking for manifest {} in {}", reference, name()));
  if (auto digest = announced_digest(response)) return digest;
  return manifest(reference, stop).digest;
}

std::unique_ptr<io::Source> Repository::unverified_blob(const oci::Descriptor& blob, std::stop_token stop,
                                                        std::uint64_t offset) const {
  return std::make_unique<BlobSource>(*this, blob, offset, std::move(stop));
}

bool Repository::has_blob(const oci::Digest& digest, std::stop_token stop) const {
  auto response = send(make_call("HEAD", "blobs/" + digest.str()), stop);
  if (response.status == 200) return true;
  // Registries that cannot answer HEAD: uploading decides.
  if (response.status == 404 || response.status == 405 || response.status >= 500) return false;
  refuse(response, fmt::format("looking for blob {} in {}", digest.str(), name()));
}

bool Repository::mount_blob(const oci::Digest& digest, std::string_view from_repository, std::stop_token stop) const {
  auto url = http::with_query("blobs/uploads/", "mount", digest.str());
  auto call = make_call("POST", http::with_query(std::move(url), "from", from_repository));
  call.request.body = std::string{};
  call.scopes.push_back(scopes_for(std::string(from_repository), Access::Pull));
  http::Response response;
  try {
    response = send(std::move(call), stop);
  } catch (const Error& error) {
    // Not being allowed to read the other repository is no reason to fail: there is still the upload.
    if (error.code() != ErrorCode::Unauthorized) throw;
    return false;
  }
  if (response.status == 201) return true;
  if (response.status == 202) {
    // It opened an upload instead. It is not used: the token that may write there is another one.
    if (const auto location = response.header("Location")) (void)send(make_call("DELETE", *location), stop);
  }
  return false;
}

oci::Digest Repository::put_manifest(std::string_view reference, std::string_view raw, std::string_view media_type,
                                     std::stop_token stop) const {
  const std::string doing = fmt::format("writing manifest {} to {}", reference, name());
  const auto asked = oci::Digest::try_parse(reference);
  oci::Digest digest = io::digest_of(io::as_bytes(raw), asked ? asked->algorithm() : oci::DigestAlgorithm::Sha256);
  if (asked && *asked != digest)
    throw Error(ErrorCode::Corrupt, fmt::format("{}: its digest is {}", doing, digest.str()));
  auto call = make_call("PUT", "manifests/" + segment(reference));
  call.request.headers.emplace_back("Content-Type", std::string(media_type));
  call.request.body = std::string(raw);
  auto response = send(std::move(call), stop);
  if (response.status < 200 || response.status > 299) refuse(response, doing);
  const auto stored = announced_digest(response);
  if (stored && stored->algorithm() == digest.algorithm() && *stored != digest) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("{}: the registry stored {} instead of {}", doing, stored->str(), digest.str()));
  }
  // A registry that keeps the list of referrers says so (distribution-spec "Pushing Manifests with Subject").
  if (!response.header("OCI-Subject")) list_referrer(raw, media_type, digest, stop);
  return digest;
}

void Repository::delete_manifest(const oci::Digest& digest, std::stop_token stop) const {
  const auto subject = subject_to_leave(digest, stop);
  auto response = send(make_call("DELETE", "manifests/" + digest.str()), stop);
  if (response.status == 405) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("deleting {} in {}: the registry does not allow it", digest.str(), name()));
  }
  if (response.status < 200 || response.status > 299)
    refuse(response, fmt::format("deleting {} in {}", digest.str(), name()));
  if (subject) unlist_referrer(*subject, digest, stop);
}

std::vector<std::string> Repository::tags(std::stop_token stop) const {
  const std::string doing = fmt::format("listing tags of {}", name());
  std::vector<std::string> result;
  std::optional<std::string> target = "tags/list?n=1000";
  for (int pages = 0; target; ++pages) {
    if (pages >= kMaxTagPages || result.size() > kMaxTags) {
      throw Error(ErrorCode::LimitExceeded,
                  fmt::format("{}: more than {} tags or {} pages", doing, kMaxTags, kMaxTagPages));
    }
    auto response = send(make_call("GET", *target), stop);
    if (response.status != 200) refuse(response, doing);
    const std::size_t before = result.size();
    add_tags(io::read_all(*response.body, kMaxTagPage, doing), name(), result);
    // An empty page that leads on would let a registry lead us in circles.
    target = result.size() == before ? std::nullopt : next_page(response, "tags/list");
  }
  return result;
}

}  // namespace proa::registry
