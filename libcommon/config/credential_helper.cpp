#include "libcommon/config/credential_helper.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/process.h"

namespace proa::config {
namespace {

constexpr std::string_view kNotFound = "credentials not found in native keychain";
constexpr std::string_view kIdentityToken = "<token>";  // user name that marks the secret as a refresh token

// stdout of a helper that ended well; nullopt when it says that it has no such entry. Its output may hold the secret:
// never quoted.
std::optional<std::string> run_helper(const std::string& name, const std::string& verb, const std::string& input) {
  if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("invalid name of a credential helper: {}", escape_control(name)));
  }
  os::SpawnPlan plan;
  plan.program = "docker-credential-" + name;
  plan.arguments = {verb};
  const os::Output output = os::run(plan, input);
  if (output.status.success()) return output.out;
  if (trim(output.out) == kNotFound) return std::nullopt;
  throw Error(ErrorCode::Unavailable, fmt::format("{} {}: {}", plan.program, verb, output.status.text()),
              "try the helper by hand, or take it out of the auth file");
}

}  // namespace

std::optional<Credentials> helper_get(const std::string& name, const std::string& address) {
  const auto output = run_helper(name, "get", address);
  if (!output) return std::nullopt;
  const auto json = read_json(*output);
  const auto text = [&json](const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string{};
  };
  if (!json.is_object())
    throw Error(ErrorCode::Unavailable, fmt::format("docker-credential-{} get: malformed answer", name));
  Credentials result;
  result.username = text("Username");
  const std::string secret = text("Secret");
  if (result.username.empty() && secret.empty()) return std::nullopt;
  if (result.username == kIdentityToken) {
    result.username.clear();
    result.identity_token = secret;
  } else {
    result.password = secret;
  }
  return result;
}

void helper_store(const std::string& name, const std::string& address, const Credentials& credentials) {
  const bool token = !credentials.identity_token.empty();
  const nlohmann::json entry = {{"ServerURL", address},
                                {"Username", token ? std::string(kIdentityToken) : credentials.username},
                                {"Secret", token ? credentials.identity_token : credentials.password}};
  run_helper(name, "store", json_text(entry));
}

bool helper_erase(const std::string& name, const std::string& address) {
  return run_helper(name, "erase", address).has_value();
}

}  // namespace proa::config
