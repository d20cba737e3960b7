#include "tests/support/fake_registry.h"

#include "libcommon/base/base64.h"
#include "libcommon/base/json.h"
#include "libcommon/io/digest_stream.h"

namespace proa::testing {
namespace {

using nlohmann::literals::operator""_json_pointer;

const std::string kIndexType = "application/vnd.oci.image.index.v1+json";

FakeAnswer refusal(int status, const std::string& code, const std::string& message) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}},
          .body = R"({"errors":[{"code":")" + code + R"(","message":")" + message + R"("}]})"};
}

std::string query_value(const std::string& query, const std::string& key) {
  for (const auto& part : split(query, '&')) {
    if (part.starts_with(key + "="))
      return replace_all(replace_all(part.substr(key.size() + 1), "%3A", ":"), "%2F", "/");
  }
  return {};
}

// The part that a Range asks for: "bytes=500-".
void serve_range(const FakeRequest& request, FakeAnswer& answer) {
  const std::string range = request.header("range");
  if (!range.starts_with("bytes=")) return;
  const auto begin = parse_integer<std::size_t>(range.substr(6, range.find('-') - 6));
  if (!begin || *begin >= answer.body.size()) {
    answer = {.status = 416, .headers = {}, .body = {}};
    return;
  }
  const std::string size = std::to_string(answer.body.size());
  answer.status = 206;
  answer.headers.emplace_back(
      "Content-Range", "bytes " + std::to_string(*begin) + "-" + std::to_string(answer.body.size() - 1) + "/" + size);
  answer.body.erase(0, *begin);
}

}  // namespace

FakeRegistry::FakeRegistry(FakeRegistryOptions options)
    : options_(std::move(options)),
      server_([this](const FakeRequest& request) { return handle(request); }, options_.address) {}

oci::Digest FakeRegistry::add_blob(const std::string& repository, std::string bytes) {
  const std::lock_guard lock(mutex_);
  const auto digest = io::digest_of(bytes);
  blobs_[repository][digest.str()] = std::move(bytes);
  return digest;
}

oci::Digest FakeRegistry::add_manifest(const std::string& repository, const std::string& tag, std::string raw,
                                       const std::string& type) {
  const std::lock_guard lock(mutex_);
  const auto digest = io::digest_of(raw);
  if (!tag.empty()) manifests_[repository][tag] = {raw, type};
  manifests_[repository][digest.str()] = {std::move(raw), type};
  return digest;
}

bool FakeRegistry::has_blob(const std::string& repository, const oci::Digest& digest) const {
  const std::lock_guard lock(mutex_);
  const auto at = blobs_.find(repository);
  return at != blobs_.end() && at->second.contains(digest.str());
}

std::string FakeRegistry::manifest(const std::string& repository, const std::string& reference) const {
  const std::lock_guard lock(mutex_);
  const auto at = manifests_.find(repository);
  if (at == manifests_.end() || !at->second.contains(reference)) return {};
  return at->second.at(reference).raw;
}

std::size_t FakeRegistry::open_uploads() const {
  const std::lock_guard lock(mutex_);
  return uploads_.size();
}

void FakeRegistry::expire_tokens() {
  const std::lock_guard lock(mutex_);
  tokens_.clear();
}

bool FakeRegistry::may_pass(const FakeRequest& request) {
  const std::string given = request.header("authorization");
  switch (options_.auth) {
    case FakeRegistryOptions::Auth::None:
      return true;
    case FakeRegistryOptions::Auth::Basic:
      return given == "Basic " + base64_encode(options_.user + ":" + options_.password);
    case FakeRegistryOptions::Auth::Bearer:
      return given.starts_with("Bearer ") && tokens_.contains(given.substr(7));
  }
  return false;
}

FakeAnswer FakeRegistry::challenge() const {
  FakeAnswer answer = refusal(401, "UNAUTHORIZED", "authentication required");
  if (options_.auth == FakeRegistryOptions::Auth::Basic) {
    answer.headers.emplace_back("WWW-Authenticate", R"(Basic realm="fake")");
  } else {
    const std::string realm = options_.realm.empty() ? server_.url() + "/token" : options_.realm;
    answer.headers.emplace_back("WWW-Authenticate",
                                R"(Bearer realm=")" + realm + R"(",service="fake",error="invalid_token")");
  }
  return answer;
}

FakeAnswer FakeRegistry::give_token(const FakeRequest& request) {
  const std::string given = request.header("authorization");
  if (request.method == "POST") {
    if (options_.identity_token.empty()) return refusal(405, "UNSUPPORTED", "no POST");
    if (query_value(request.body, "refresh_token") != options_.identity_token)
      return refusal(400, "DENIED", "invalid grant");
  } else if (!given.empty() && given != "Basic " + base64_encode(options_.user + ":" + options_.password)) {
    return refusal(401, "UNAUTHORIZED", "wrong user name or password");
  }
  const std::string token = "token-" + std::to_string(++next_);
  tokens_.insert(token);
  return {.status = 200,
          .headers = {{"Content-Type", "application/json"}},
          .body = R"({"token":")" + token + R"(","expires_in":)" + std::to_string(options_.token_life) + "}"};
}

FakeAnswer FakeRegistry::handle(const FakeRequest& request) {
  const std::lock_guard lock(mutex_);
  if (request.path == "/token") return give_token(request);
  if (!may_pass(request)) return challenge();
  if (request.path == "/v2/") return {.status = 200, .headers = {}, .body = "{}"};
  if (!request.path.starts_with("/v2/")) return refusal(404, "UNSUPPORTED", "no such path");
  const std::string rest = request.path.substr(4);
  if (const auto at = cut_last(rest, "/blobs/uploads/"))
    return uploads(request, std::string(at->first), std::string(at->second));
  if (const auto at = cut_last(rest, "/blobs/")) return blobs(request, std::string(at->first), std::string(at->second));
  if (const auto at = cut_last(rest, "/manifests/"))
    return manifests(request, std::string(at->first), std::string(at->second));
  if (const auto at = cut_last(rest, "/referrers/"); at && options_.referrers)
    return referrers(request, std::string(at->first), std::string(at->second));
  if (const auto at = cut_last(rest, "/tags/list")) return tags(request, std::string(at->first));
  return refusal(404, "UNSUPPORTED", "no such path");
}

FakeAnswer FakeRegistry::manifests(const FakeRequest& request, const std::string& repository,
                                   const std::string& reference) {
  auto& known = manifests_[repository];
  if (request.method == "PUT") {
    const auto digest = io::digest_of(request.body);
    known[reference] = known[digest.str()] = {request.body, request.header("content-type")};
    FakeAnswer answer{.status = 201, .headers = {{"Docker-Content-Digest", digest.str()}}, .body = {}};
    if (options_.referrers && request.body.find("\"subject\"") != std::string::npos)
      answer.headers.emplace_back("OCI-Subject", "sha256:...");
    return answer;
  }
  const auto at = known.find(reference);
  if (at == known.end()) return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown");
  if (request.method == "DELETE") {
    known.erase(at);
    return {.status = 202, .headers = {}, .body = {}};
  }
  return {
      .status = 200,
      .headers = {{"Content-Type", at->second.type}, {"Docker-Content-Digest", io::digest_of(at->second.raw).str()}},
      .body = at->second.raw};
}

FakeAnswer FakeRegistry::blobs(const FakeRequest& request, const std::string& repository, const std::string& digest) {
  const auto& known = blobs_[repository];
  const auto at = known.find(digest);
  if (at == known.end()) return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry");
  FakeAnswer answer{.status = 200, .headers = {{"Content-Type", "application/octet-stream"}}, .body = at->second};
  serve_range(request, answer);
  return answer;
}

FakeAnswer FakeRegistry::uploads(const FakeRequest& request, const std::string& repository, const std::string& id) {
  if (request.method == "POST") {
    const std::string mount = query_value(request.query, "mount");
    const auto& source = blobs_[query_value(request.query, "from")];
    if (const auto at = source.find(mount); at != source.end()) {
      blobs_[repository][mount] = at->second;
      return {.status = 201, .headers = {}, .body = {}};
    }
    const std::string name = "upload-" + std::to_string(++next_);
    uploads_[name];
    return {.status = 202,
            .headers = {{"Location", "/v2/" + repository + "/blobs/uploads/" + name + "?state=x"}},
            .body = {}};
  }
  const auto at = uploads_.find(id);
  if (at == uploads_.end()) return refusal(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
  const std::string location = "/v2/" + repository + "/blobs/uploads/" + id + "?state=x";
  if (request.method == "DELETE") {
    uploads_.erase(at);
    return {.status = 204, .headers = {}, .body = {}};
  }
  if (request.method == "GET" || request.method == "PATCH") {
    at->second += request.body;
    const std::string range = at->second.empty() ? "0-0" : "0-" + std::to_string(at->second.size() - 1);
    return {.status = request.method == "GET" ? 204 : 202,
            .headers = {{"Location", location}, {"Range", range}},
            .body = {}};
  }
  at->second += request.body;
  const std::string digest = query_value(request.query, "digest");
  const std::string bytes = std::move(at->second);
  uploads_.erase(at);
  if (io::digest_of(bytes).str() != digest)
    return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
  blobs_[repository][digest] = bytes;
  return {.status = 201, .headers = {{"Docker-Content-Digest", digest}}, .body = {}};
}

FakeAnswer FakeRegistry::tags(const FakeRequest& request, const std::string& repository) {
  std::vector<std::string> names;
  for (const auto& [name, stored] : manifests_[repository]) {
    if (!name.starts_with("sha256:")) names.push_back(name);
  }
  const std::string last = query_value(request.query, "last");
  std::erase_if(names, [&](const std::string& name) { return name <= last; });
  FakeAnswer answer{.status = 200, .headers = {{"Content-Type", "application/json"}}, .body = {}};
  if (names.size() > options_.page) {
    names.resize(options_.page);
    answer.headers.emplace_back("Link", "</v2/" + repository + "/tags/list?last=" + names.back() + R"(>; rel="next")");
  }
  answer.body = R"({"name":"x","tags":[)";
  for (const auto& name : names) answer.body += (name == names.front() ? "\"" : ",\"") + name + "\"";
  answer.body += "]}";
  return answer;
}

// One to a page, and not filtered.
FakeAnswer FakeRegistry::referrers(const FakeRequest& request, const std::string& repository,
                                   const std::string& subject) {
  nlohmann::json index = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", nlohmann::json::array()}};
  FakeAnswer answer{.status = 200, .headers = {{"Content-Type", kIndexType}}, .body = {}};
  const std::string last = query_value(request.query, "last");
  for (const auto& [name, stored] : manifests_[repository]) {
    const auto manifest = nlohmann::json::parse(stored.raw);
    if (!name.starts_with("sha256:") || name <= last || manifest.value("/subject/digest"_json_pointer, "") != subject)
      continue;
    if (!index["manifests"].empty()) {
      answer.headers.emplace_back(
          "Link", "<" + subject + "?last=" + std::string(index["manifests"][0]["digest"]) + R"(>; rel="next")");
      break;
    }
    index["manifests"].push_back({{"mediaType", stored.type},
                                  {"digest", name},
                                  {"size", stored.raw.size()},
                                  {"artifactType", manifest.value("artifactType", "")}});
  }
  answer.body = index.dump();
  return answer;
}

}  // namespace proa::testing
