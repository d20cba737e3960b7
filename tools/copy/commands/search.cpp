#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/config/registries.h"
#include "libcommon/registry/search.h"
#include "libcommon/transport/docker_repository.h"
#include "tools/copy/commands.h"
#include "tools/copy/registry_flags.h"

namespace proa::copy {

namespace {

using Json = nlohmann::json;

struct SearchOptions {
  std::vector<std::string> terms;
  transport::RegistryOptions registry;
  std::vector<std::string> filters;
  std::string format;
  std::size_t limit = 0;  // the default
  bool compatible = false, list_tags = false, no_trunc = false;
};

constexpr std::size_t kDescriptionWidth = 44;
constexpr std::size_t kDefaultLimit = 25;
constexpr std::size_t kMaxLimit = 100'000;

struct Filters {
  std::int64_t stars = 0;
  std::optional<bool> official, automated;

  bool fit(const registry::FoundRepository& found) const {
    return found.stars >= stars && (!official || found.official == *official) &&
           (!automated || found.automated == *automated);
  }
};

Filters parse_filters(const std::vector<std::string>& texts) {
  Filters filters;
  for (const auto& list : texts) {
    for (const auto& text : split(list, ',')) {
      const auto parts = cut(text, "=");
      const std::string key(parts ? parts->first : std::string_view(text));
      const std::string value(parts ? parts->second : std::string_view());
      if (key == "stars") {
        const auto stars = parse_integer<std::int64_t>(value);
        if (!stars)
          throw Error(ErrorCode::InvalidArgument,
                      fmt::format("incorrect value for filter stars: \"{}\"", escape_control(value)));
        filters.stars = *stars;
      } else if (key == "is-official") {
        filters.official = value.empty() || cli::parse_bool(value);
      } else if (key == "is-automated") {
        filters.automated = value.empty() || cli::parse_bool(value);
      } else {
        throw Error(ErrorCode::InvalidArgument, fmt::format("invalid filter type \"{}\"", escape_control(key)),
                    "known are stars, is-official and is-automated");
      }
    }
  }
  return filters;
}

// "quay.io/podman" is a search for "podman" at quay.io; without a registry it is one at each of those that short names
// are looked up at.
std::pair<std::vector<std::string>, std::string> places(const std::string& term) {
  if (const auto parts = cut(term, "/")) {
    const std::string host(parts->first);
    if (host.find_first_of(".:") != std::string::npos || host == "localhost")
      return {{host}, std::string(parts->second)};
  }
  auto registries = config::Registries::load().search_registries();
  if (registries.empty()) registries.emplace_back("docker.io");
  return {std::move(registries), term};
}

Json row_of(const std::string& host, const registry::FoundRepository& found, const SearchOptions& options) {
  std::string name = found.name;
  if (host == "docker.io" && name.find('/') == std::string::npos) name = "library/" + name;
  std::string description = replace_all(found.description, "\n", " ");
  if (!options.no_trunc && description.size() > kDescriptionWidth)
    description = cli::ellipsis(description, kDescriptionWidth - 2) + "..";
  return {{"Index", host},
          {"Name", host + "/" + name},
          {"Description", description},
          {"Stars", found.stars},
          {"StarCount", found.stars},
          {"Official", found.official ? "[OK]" : ""},
          {"IsOfficial", found.official},
          {"Automated", found.automated ? "[OK]" : ""},
          {"IsAutomated", found.automated},
          {"Tag", ""}};
}

cli::ExitCode list_tags(const SearchOptions& options) {
  std::string_view text = options.terms.front();
  if (text.starts_with("docker://")) text.remove_prefix(9);
  const auto name = oci::Reference::parse_normalized(text).without_tag_and_digest();
  auto tags = transport::open_repository(name, registry::Access::Pull, options.registry).tags();
  if (tags.size() > options.limit) tags.resize(options.limit);
  if (options.format == "json") {
    const nlohmann::ordered_json object = {{"Name", name.name()}, {"Tags", tags}};
    fmt::print("{}\n", json_text(nlohmann::ordered_json::array({object}), 4));
    return 0;
  }
  Json rows = Json::array();
  for (const auto& tag : tags)
    rows.push_back({{"Index", ""},
                    {"Name", name.name()},
                    {"Tag", tag},
                    {"Description", ""},
                    {"Stars", 0},
                    {"Official", ""},
                    {"Automated", ""}});
  static const cli::Listing listing{"table {{.Name}}\t{{.Tag}}", {}};
  fmt::print("{}", cli::format_listing(listing, options.format, rows));
  return 0;
}

cli::ExitCode search(cli::Context&, const SearchOptions& given) {
  SearchOptions options = given;
  if (options.limit == 0) options.limit = kDefaultLimit;
  if (options.limit > kMaxLimit)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("limit {} is outside the range of [1, {}]", options.limit, kMaxLimit));
  if (options.list_tags) {
    if (!options.filters.empty())
      throw Error(ErrorCode::InvalidArgument, "filters are not applicable to list tags result");
    return list_tags(options);
  }
  const auto filters = parse_filters(options.filters);
  const auto [hosts, term] = places(options.terms.front());
  Json rows = Json::array();
  std::vector<Error> failures;
  for (const auto& host : hosts) {
    try {
      registry::Session session(host, transport::session_options(options.registry, false));
      for (const auto& found : registry::search(session, term, options.limit)) {
        if (filters.fit(found)) rows.push_back(row_of(host, found, options));
      }
    } catch (const Error& error) {
      if (hosts.size() == 1) throw;
      failures.push_back(error);
    }
  }
  if (failures.size() == hosts.size()) throw Error(failures.front());
  for (const auto& failure : failures) cli::report(failure);
  if (rows.empty() && options.format != "json") return 0;
  static const cli::Listing plain{"table {{.Name}}\t{{.Description}}", {}};
  static const cli::Listing compatible{"table {{.Name}}\t{{.Description}}\t{{.Stars}}\t{{.Official}}\t{{.Automated}}",
                                       {}};
  fmt::print("{}", cli::format_listing(options.compatible ? compatible : plain, options.format, rows));
  return 0;
}

}  // namespace

cli::Command search_command() {
  using Builder = cli::CommandBuilder<SearchOptions>;
  return cli::command<SearchOptions>("search", "Look for repositories in registries")
      .flag("compatible", &SearchOptions::compatible, "Show stars, official and automated, too")
      .value("filter,f", &SearchOptions::filters, "Only what fits: stars=N, is-official, is-automated", "KEY=VALUE")
      .value("format", &SearchOptions::format, "json, table TEMPLATE, or a Go template", "FORMAT")
      .value("limit", &SearchOptions::limit, "At most so many results of each registry", "N")
      .flag("list-tags", &SearchOptions::list_tags, "List the tags of a repository")
      .flag("no-trunc", &SearchOptions::no_trunc, "Do not shorten descriptions")
      .with([](Builder& b) { registry_flags(b, &SearchOptions::registry); })
      .positionals("TERM", &SearchOptions::terms, 1, 1)
      .runs(search);
}

}  // namespace proa::copy
