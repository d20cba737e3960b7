#include "tools/copy/policy_edit.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/policy.h"

namespace proa::copy {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kNoPolicy = R"({"default":[{"type":"insecureAcceptAnything"}]})";

OrderedJson requirements(const TrustChange& change) {
  const bool by_key = change.type == "signedBy" || change.type == "sigstoreSigned";
  if (!by_key && change.type != "accept" && change.type != "reject") {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("invalid choice: {} (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')",
                            escape_control(change.type)));
  }
  if (by_key && change.key_files.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("at least one public key must be defined for type '{}'", change.type), "use --pubkeysfile");
  }
  if (!by_key && !change.key_files.empty())
    throw Error(ErrorCode::InvalidArgument, fmt::format("a public key makes no sense for type '{}'", change.type));
  OrderedJson list = OrderedJson::array();
  if (!by_key) list.push_back({{"type", change.type == "accept" ? "insecureAcceptAnything" : "reject"}});
  for (const auto& file : change.key_files) {
    OrderedJson entry = {{"type", change.type}};
    if (change.type == "signedBy") entry["keyType"] = "GPGKeys";
    entry["keyPath"] = file;
    list.push_back(std::move(entry));
  }
  return list;
}

// A scope that another transport has already is that one's; any other is of registries.
std::string transport_of(const config::Policy& policy, const std::string& scope) {
  for (const auto& [transport, scopes] : policy.transports()) {
    if (scopes.contains(scope)) return transport;
  }
  return "docker";
}

}  // namespace

std::string change_policy(std::string_view text, const TrustChange& change) {
  if (text.empty()) text = kNoPolicy;
  const auto before = config::Policy::parse(text, "policy.json");
  auto json = read_ordered_json(text);
  if (change.scope == "default") {
    json["default"] = requirements(change);
  } else {
    json["transports"][transport_of(before, change.scope)][change.scope] = requirements(change);
  }
  auto result = json_text(json, 4) + "\n";
  config::Policy::parse(result, "policy.json");
  return result;
}

}  // namespace proa::copy
