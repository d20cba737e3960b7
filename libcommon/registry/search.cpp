#include "libcommon/registry/search.h"

#include <fmt/core.h>

#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/http/url.h"
#include "libcommon/registry/answer.h"

namespace proa::registry {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxPage = 16 << 20;
constexpr int kMaxPages = 1000;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// {"results": [{"name", "description", "star_count", "is_official", "is_automated"}]}; nullopt: this is none.
std::optional<std::vector<FoundRepository>> parse_results(const std::string& text, std::size_t limit) {
  const auto json = read_json(text);
  if (!json.is_object() || !json.contains("results") || !json["results"].is_array()) return std::nullopt;
  std::vector<FoundRepository> found;
  for (const auto& entry : json["results"]) {
    if (!entry.is_object() || found.size() == limit) continue;
    const auto stars = entry.find("star_count");
    found.push_back({.name = text_of(entry, "name"),
                     .description = text_of(entry, "description"),
                     .stars = stars != entry.end() && stars->is_number_integer() ? stars->get<std::int64_t>() : 0,
                     .official = flag_of(entry, "is_official"),
                     .automated = flag_of(entry, "is_automated")});
  }
  return found;
}

std::string search_path(const std::string& term, std::size_t limit) {
  return http::with_query(http::with_query("/v1/search", "q", term), "n", std::to_string(limit));
}

// No credentials go there: it is another host than the registry's.
std::vector<FoundRepository> search_docker(const std::string& term, std::size_t limit, const std::stop_token& stop) {
  const http::Client client({.tls = {}, .timeouts = {}, .user_agent = "proa"});
  const auto response = client.send({.method = "GET",
                                     .url = "https://index.docker.io" + search_path(term, limit),
                                     .headers = {},
                                     .body = {},
                                     .timeouts = {}},
                                    stop);
  const auto text = io::read_all(*response.body, kMaxPage, "search results");
  auto found = response.status == 200 ? parse_results(text, limit) : std::nullopt;
  if (!found)
    throw Error(ErrorCode::Unavailable, fmt::format("index.docker.io answers {} to a search", response.status));
  return std::move(*found);
}

void add_catalog_page(const std::string& text, const std::string& term, std::size_t limit,
                      std::vector<FoundRepository>& found) {
  const auto json = read_json(text);
  if (!json.is_object() || !json.contains("repositories") || !json["repositories"].is_array()) return;
  for (const auto& name : json["repositories"]) {
    if (found.size() == limit || !name.is_string()) continue;
    auto text_of_name = name.get<std::string>();
    if (text_of_name.find(term) == std::string::npos) continue;
    found.push_back({.name = std::move(text_of_name), .description = {}});
  }
}

}  // namespace

std::vector<FoundRepository> search(Session& session, const std::string& term, std::size_t limit,
                                    std::stop_token stop) {
  const While searching{[&] { return fmt::format("searching {} for \"{}\"", session.host(), term); }};
  if (session.host() == "docker.io") return search_docker(term, limit, stop);
  if (!term.empty()) {
    // Some registries have taken over the search of Docker's first index.
    auto response = session.send(
        {.request = {.method = "GET", .url = search_path(term, limit), .headers = {}, .body = {}, .timeouts = {}}},
        stop);
    const auto text = io::read_all(*response.body, kMaxPage, "search results");
    if (auto found = response.status == 200 ? parse_results(text, limit) : std::nullopt) return std::move(*found);
  }
  std::vector<FoundRepository> found;
  std::optional<std::string> target = "/v2/_catalog?n=1000";
  for (int page = 0; target && page < kMaxPages && found.size() < limit; ++page) {
    auto response =
        session.send({.request = {.method = "GET", .url = *target, .headers = {}, .body = {}, .timeouts = {}},
                      .scopes = {"registry:catalog:*"}},
                     stop);
    if (response.status != 200) throw_answer(response, "listing the catalog", session.host());
    add_catalog_page(io::read_all(*response.body, kMaxPage, "catalog"), term, limit, found);
    target = next_page(response, "/v2/_catalog");
  }
  return found;
}

}  // namespace proa::registry
