// Who refers to a manifest: distribution-spec "Listing Referrers", and "Referrers Tag Schema" for registries without
// it.
#include <fmt/core.h>

#include <algorithm>

#include "libcommon/http/url.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/repository.h"

namespace proa::registry {
namespace {

constexpr std::size_t kMaxReferrers = 10'000;
constexpr int kMaxPages = 1000;

// The spec cuts both parts, so that any digest makes a tag.
std::string tag_of(const oci::Digest& subject) {
  return fmt::format("{}-{}", subject.algorithm_name().substr(0, 32), subject.hex().substr(0, 64));
}

struct Referrer {
  std::optional<oci::Digest> subject;
  oci::Descriptor entry;  // as an index of referrers lists it
};

// Of a manifest or index; nothing of what is neither.
std::optional<Referrer> read_referrer(std::string_view raw, std::string_view media_type, const oci::Digest& digest) {
  if (raw.find("\"subject\"") == std::string_view::npos) return std::nullopt;
  Referrer result{.subject = {},
                  .entry = {.media_type = std::string(media_type), .digest = digest, .size = raw.size()}};
  const auto take = [&](auto document) {
    if (document.subject) result.subject = document.subject->digest;
    result.entry.artifact_type = std::move(document.artifact_type);
    result.entry.annotations = std::move(document.annotations);
  };
  if (oci::is_index_type(media_type)) {
    take(oci::Index::parse(std::string(raw), media_type));
  } else if (oci::is_manifest_type(media_type)) {
    auto manifest = oci::Manifest::parse(std::string(raw), media_type);
    if (!manifest.artifact_type) manifest.artifact_type = manifest.config.media_type;
    take(std::move(manifest));
  }
  return result.subject ? std::optional(std::move(result)) : std::nullopt;
}

}  // namespace

std::optional<std::vector<oci::Descriptor>> Repository::listed_referrers(const oci::Digest& subject,
                                                                         std::string_view artifact_type,
                                                                         const std::stop_token& stop) const {
  const std::string doing = fmt::format("reading referrers of {} in {}", subject.str(), name());
  const std::string list = "referrers/" + subject.str();
  std::vector<oci::Descriptor> result;
  std::optional<std::string> target = list;
  if (!artifact_type.empty()) target = http::with_query(list, "artifactType", artifact_type);
  for (int pages = 0; target; ++pages) {
    if (pages >= kMaxPages || result.size() > kMaxReferrers)
      throw Error(ErrorCode::LimitExceeded, fmt::format("{}: more than {} of them", doing, kMaxReferrers));
    auto call = make_call("GET", *target);
    call.request.headers.emplace_back("Accept", std::string(oci::kOciIndex));
    auto response = send(std::move(call), stop);
    // Other registries answer with what they take for a page of a person (spec: no such API then).
    const bool no_list =
        response.status == 404 || (response.status == 200 && media_type_of(response) != oci::kOciIndex);
    if (pages == 0 && no_list) return std::nullopt;
    if (response.status != 200) refuse(response, doing);
    const auto page = oci::Index::parse(io::read_all(*response.body, oci::kMaxManifestSize, doing), oci::kOciIndex);
    result.insert(result.end(), page.manifests.begin(), page.manifests.end());
    target = page.manifests.empty() ? std::nullopt : next_page(response, list);
  }
  return result;
}

std::optional<oci::Index> Repository::referrers_tag(const oci::Digest& subject, const std::stop_token& stop) const {
  try {
    auto found = manifest(tag_of(subject), stop);
    return oci::Index::parse(std::move(found.raw), found.media_type);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    return std::nullopt;
  }
}

std::vector<oci::Descriptor> Repository::referrers(const oci::Digest& subject, std::string_view artifact_type,
                                                   std::stop_token stop) const {
  std::vector<oci::Descriptor> result;
  if (auto listed = listed_referrers(subject, artifact_type, stop)) {
    result = std::move(*listed);
  } else if (auto index = referrers_tag(subject, stop)) {
    result = std::move(index->manifests);
  }
  // Registries need not filter, and the tag cannot.
  std::erase_if(result, [&](const oci::Descriptor& entry) {
    return !artifact_type.empty() && entry.artifact_type.value_or("") != artifact_type;
  });
  return result;
}

void Repository::list_referrer(std::string_view raw, std::string_view media_type, const oci::Digest& digest,
                               const std::stop_token& stop) const {
  auto referrer = read_referrer(raw, media_type, digest);
  if (!referrer || listed_referrers(*referrer->subject, {}, stop)) return;
  oci::Index index = referrers_tag(*referrer->subject, stop).value_or(oci::Index{});
  const auto is_it = [&](const oci::Descriptor& entry) { return entry.digest == digest; };
  if (std::ranges::any_of(index.manifests, is_it)) return;
  index.media_type = oci::kOciIndex;
  index.manifests.push_back(std::move(referrer->entry));
  put_manifest(tag_of(*referrer->subject), oci::Index::encode(std::move(index)).raw, oci::kOciIndex, stop);
}

std::optional<oci::Digest> Repository::subject_to_leave(const oci::Digest& digest, const std::stop_token& stop) const {
  try {
    const auto found = manifest(digest.str(), stop);
    auto referrer = read_referrer(found.raw, found.media_type, digest);
    if (!referrer || listed_referrers(*referrer->subject, {}, stop)) return std::nullopt;
    return std::move(referrer->subject);
  } catch (const Error& error) {
    // What is damaged or of a kind that we do not know shall still be deletable.
    if (error.code() != ErrorCode::Corrupt && error.code() != ErrorCode::Unsupported) throw;
    return std::nullopt;
  }
}

void Repository::unlist_referrer(const oci::Digest& subject, const oci::Digest& digest,
                                 const std::stop_token& stop) const {
  auto index = referrers_tag(subject, stop);
  if (!index) return;
  if (std::erase_if(index->manifests, [&](const oci::Descriptor& entry) { return entry.digest == digest; }) == 0)
    return;
  put_manifest(tag_of(subject), oci::Index::encode(*std::move(index)).raw, oci::kOciIndex, stop);
}

}  // namespace proa::registry
