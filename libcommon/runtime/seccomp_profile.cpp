// Profile files as docker and podman write them.
#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/json.h"
#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {
namespace {

constexpr std::uint64_t kMaxProfileSize = 1u << 20;

#if defined(__x86_64__)
constexpr const char* kArchitecture = "SCMP_ARCH_X86_64";
constexpr const char* kGoArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "SCMP_ARCH_AARCH64";
constexpr const char* kGoArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "SCMP_ARCH_NATIVE";
constexpr const char* kGoArchitecture = "";
#endif

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool has_capability(const std::string& name, os::CapSet capabilities) {
  auto number = os::capability_number(name);
  return number && (capabilities & os::cap_bit(*number)) != 0;
}

// minKernel is not looked at: every kernel we run on (5.12) is newer than the versions that profiles name.
bool is_wanted(const oci::JsonObject& rule, os::CapSet capabilities) {
  if (auto includes = rule.object("includes")) {
    auto caps = includes->strings_or_empty("caps");
    bool all =
        std::all_of(caps.begin(), caps.end(), [&](const auto& name) { return has_capability(name, capabilities); });
    auto arches = includes->strings_or_empty("arches");
    if (!all || (!arches.empty() && !contains(arches, kGoArchitecture))) return false;
  }
  if (auto excludes = rule.object("excludes")) {
    auto caps = excludes->strings_or_empty("caps");
    bool any =
        std::any_of(caps.begin(), caps.end(), [&](const auto& name) { return has_capability(name, capabilities); });
    if (any || contains(excludes->strings_or_empty("arches"), kGoArchitecture)) return false;
  }
  return true;
}

std::uint64_t number(const oci::JsonObject& object, std::string_view key) {
  const auto* value = object.find(key);
  if (value == nullptr) return 0;
  if (!value->is_number_unsigned()) object.fail(key, "not a whole number from 0 on");
  return value->get<std::uint64_t>();
}

oci::SeccompRule parse_rule(const oci::JsonObject& object) {
  oci::SeccompRule rule;
  rule.names = object.strings_or_empty("names");
  if (auto name = object.string("name")) rule.names.push_back(*name);
  rule.action = object.require_string("action");
  if (object.find("errnoRet") != nullptr) rule.errno_ret = static_cast<unsigned>(number(object, "errnoRet"));
  for (const auto& argument : object.objects("args")) {
    rule.args.push_back({static_cast<unsigned>(number(argument, "index")), number(argument, "value"),
                         number(argument, "valueTwo"), argument.require_string("op")});
  }
  return rule;
}

std::vector<std::string> architectures(const oci::JsonObject& object) {
  auto list = object.strings_or_empty("architectures");
  for (const auto& entry : object.objects("archMap")) {
    if (entry.string_or_empty("architecture") != kArchitecture) continue;
    list.emplace_back(kArchitecture);
    for (auto& sub : entry.strings_or_empty("subArchitectures")) list.push_back(std::move(sub));
  }
  return list;
}

}  // namespace

oci::SeccompProfile parse_seccomp_profile(std::string_view json, os::CapSet capabilities) {
  auto document = oci::parse_json(json, "seccomp profile", kMaxProfileSize);
  oci::JsonObject object(document, "seccomp profile");
  oci::SeccompProfile profile;
  profile.default_action = object.require_string("defaultAction");
  if (object.find("defaultErrnoRet") != nullptr)
    profile.default_errno_ret = static_cast<unsigned>(number(object, "defaultErrnoRet"));
  profile.architectures = architectures(object);
  for (const auto& rule : object.objects("syscalls")) {
    if (is_wanted(rule, capabilities)) profile.syscalls.push_back(parse_rule(rule));
  }
  return profile;
}

}  // namespace proa::runtime
