// The group `network`: the networks that there are without being made. User-defined ones are not there yet.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/cli/table.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/filters.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;

struct NetworkOptions {
  std::vector<std::string> words, filter;
  std::string format;
  bool quiet = false, noheading = false, no_trunc = false, force = false;
};

constexpr std::array kBuiltIn = {"host", "none", "pasta"};

bool is_built_in(const std::string& name) {
  return std::find(kBuiltIn.begin(), kBuiltIn.end(), name) != kBuiltIn.end();
}

[[noreturn]] void not_yet() {
  throw Error(ErrorCode::Unsupported, "user-defined networks are not supported yet",
              "containers find each other with --network container:NAME, or by ports published on 127.0.0.1");
}

Json network_json(const std::string& name) {
  return {{"Name", name},
          {"name", name},
          {"ID", name},
          {"Driver", name},
          {"Scope", "local"},
          {"Created", "0001-01-01T00:00:00Z"},
          {"IPv6", "true"},
          {"Internal", "false"},
          {"Labels", Json::object()},
          {"Subnets", nullptr},
          {"Options", Json::object()}};
}

int list(cli::Context&, const NetworkOptions& options) {
  const auto filters = parse_filters(options.filter);
  Json rows = Json::array();
  for (const std::string name : kBuiltIn) {
    const bool wanted = pass_all(filters, [&](const Filter& filter) {
      if (filter.key == "name" || filter.key == "id") return name.find(filter.value) != std::string::npos;
      if (filter.key == "driver") return name == filter.value;
      return filter.key == "scope" && filter.value == "local";
    });
    if (!wanted) continue;
    if (options.quiet) {
      print(name + "\n");
    } else {
      Json row = network_json(name);
      row["Labels"] = "";
      rows.push_back(std::move(row));
    }
  }
  if (options.quiet) return 0;
  const cli::Listing listing{"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", {{"ID", "NETWORK ID"}}};
  print(cli::format_listing(listing, options.format, rows, !options.noheading));
  return 0;
}

int inspect(cli::Context&, const NetworkOptions& options) {
  Json objects = Json::array();
  int result = 0;
  for (const auto& name : options.words) {
    if (is_built_in(name)) {
      objects.push_back(network_json(name));
    } else {
      cli::report(Error(ErrorCode::NotFound, fmt::format("no such network: {}", name)));
      result = 125;
    }
  }
  if (!objects.empty() || options.format.empty()) print(cli::format_inspect(options.format, objects));
  if (options.format.empty() || options.format == "json") print("\n");
  return result;
}

int exists(cli::Context&, const NetworkOptions& options) { return is_built_in(options.words[0]) ? 0 : 1; }

int prune(cli::Context&, const NetworkOptions&) { return 0; }

int refuse_all(cli::Context&, const NetworkOptions&) { not_yet(); }

// Takes whatever flags there are: the answer is the same.
cli::Command refused(const char* name, const char* summary) {
  auto b = cli::command<NetworkOptions>(name, summary);
  return b.positionals("[ARG...]", &NetworkOptions::words, 0, cli::kAnyNumber)
      .options_end_at_first_positional()
      .runs(refuse_all);
}

cli::Command refused_create() {
  auto b = cli::command<NetworkOptions>("create", "Not supported yet");
  for (const char* name : {"driver,d", "label", "opt,o", "subnet", "gateway", "ip-range", "ipam-driver", "ipam-opt",
                           "aux-address", "config-from", "scope", "dns", "interface-name", "route"}) {
    b.value(name, &NetworkOptions::filter, "Not supported yet", "VALUE").hide_last();
  }
  for (const char* name :
       {"internal", "ipv6", "ipv4", "attachable", "ingress", "config-only", "disable-dns", "ignore"}) {
    b.flag(name, &NetworkOptions::quiet, "Not supported yet").hide_last();
  }
  return b.positionals("[NAME]", &NetworkOptions::words, 0, 1).runs(refuse_all);
}

}  // namespace

cli::Command network_group() {
  return cli::group(
      "network", "List networks; making them comes later",
      {refused_create(),
       cli::command<NetworkOptions>("ls", "List networks")
           .alias("list")
           .value("filter,f", &NetworkOptions::filter, "Only those that match", "KEY=VALUE")
           .value("format", &NetworkOptions::format, "json, table, or a Go template", "FORMAT")
           .flag("noheading,n", &NetworkOptions::noheading, "No line of headings")
           .flag("no-trunc", &NetworkOptions::no_trunc, "Whole ids")
           .flag("quiet,q", &NetworkOptions::quiet, "Names only")
           .runs(list),
       cli::command<NetworkOptions>("inspect", "Show networks as JSON")
           .value("format,f", &NetworkOptions::format, "json, or a Go template", "FORMAT")
           .positionals("NETWORK [NETWORK...]", &NetworkOptions::words, 1, cli::kAnyNumber, cli::Complete::Network)
           .runs(inspect),
       cli::command<NetworkOptions>("exists", "Say by the exit code whether a network is there")
           .positionals("NETWORK", &NetworkOptions::words, 1, 1, cli::Complete::Network)
           .runs(exists),
       cli::command<NetworkOptions>("prune", "Remove networks that no container has: there are none")
           .flag("force,f", &NetworkOptions::force, "Do not ask")
           .value("filter", &NetworkOptions::filter, "Only those that match", "KEY=VALUE")
           .runs(prune),
       refused("connect", "Not supported yet"), refused("disconnect", "Not supported yet"),
       refused("reload", "Not supported yet"), refused("rm", "Not supported yet"),
       refused("update", "Not supported yet")});
}

}  // namespace proa::commands
