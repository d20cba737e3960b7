#include "tools/proa/global_flags.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::front {
namespace {

enum class Use { Keep, Drop, Host, Context, Runtime, Environment, Remote, Refuse };

struct Flag {
  std::string_view name;
  bool has_value;
  Use use;
  const char* detail = "";  // Environment: the variable; Refuse: what to do
};

constexpr const char* kNoRemote = "proa works here, as you; leave it away";

constexpr Flag kFlags[] = {
    // ours, and skopeo's
    {"--log-level", true, Use::Keep},
    {"-l", true, Use::Keep},
    {"--root", true, Use::Keep},
    {"--runroot", true, Use::Keep},
    {"--debug", false, Use::Keep},
    {"-D", false, Use::Keep},
    {"--help", false, Use::Keep},
    {"-h", false, Use::Keep},
    {"--version", false, Use::Keep},
    {"-v", false, Use::Keep},
    {"--override-arch", true, Use::Keep},
    {"--override-os", true, Use::Keep},
    {"--override-variant", true, Use::Keep},
    {"--policy", true, Use::Keep},
    {"--insecure-policy", false, Use::Keep},
    {"--registries.d", true, Use::Keep},
    {"--user-agent-prefix", true, Use::Keep},
    {"--command-timeout", true, Use::Drop},
    {"--tmpdir", true, Use::Environment, "TMPDIR"},
    // docker's
    {"--config", true, Use::Environment, "DOCKER_CONFIG"},
    {"--context", true, Use::Context},
    {"-c", true, Use::Context},
    {"--host", true, Use::Host},
    {"-H", true, Use::Host},
    {"--tls", false, Use::Drop},
    {"--tlsverify", false, Use::Drop},
    {"--tlscacert", true, Use::Drop},
    {"--tlscert", true, Use::Drop},
    {"--tlskey", true, Use::Drop},
    // podman's and buildah's
    {"--registries-conf", true, Use::Environment, "CONTAINERS_REGISTRIES_CONF"},
    {"--runtime", true, Use::Runtime},
    {"--cgroup-manager", true, Use::Drop},
    {"--conmon", true, Use::Drop},
    {"--events-backend", true, Use::Drop},
    {"--network-backend", true, Use::Drop},
    {"--network-cmd-path", true, Use::Drop},
    {"--network-config-dir", true, Use::Drop},
    {"--cni-config-dir", true, Use::Drop},
    {"--storage-driver", true, Use::Drop},
    {"--storage-opt", true, Use::Drop},
    {"--namespace", true, Use::Drop},
    {"--syslog", false, Use::Drop},
    {"--trace", false, Use::Drop},
    {"--url", true, Use::Host},
    {"--remote", false, Use::Remote},
    {"-r", false, Use::Remote},
    {"--connection", true, Use::Remote},
    {"--identity", true, Use::Remote},
    {"--ssh", true, Use::Remote},
    {"--hooks-dir", true, Use::Refuse, "proa runs no hooks of directories"},
    {"--runtime-flag", true, Use::Refuse, "write a program that calls the runtime with it, and name that by --runtime"},
    {"--default-mounts-file", true, Use::Refuse, "name the mounts by --volume"},
    {"--imagestore", true, Use::Refuse, "--root chooses one place for images and containers"},
    {"--transient-store", false, Use::Refuse, "use --rm, or a --root in a tmpfs"},
    {"--volumepath", true, Use::Refuse, "volumes lie below --root"},
    {"--module", true, Use::Refuse, "proa does not read containers.conf"},
    {"--cdi-spec-dir", true, Use::Refuse, "name the devices by --device"},
    {"--out", true, Use::Refuse, "use > FILE"},
    {"--noout", false, Use::Refuse, "use > /dev/null"},
};

const Flag* find_flag(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFlags), std::end(kFlags), [&](const Flag& f) { return f.name == name; });
  return found == std::end(kFlags) ? nullptr : found;
}

bool is_local(std::string_view address) { return address.starts_with("unix://") || address.starts_with("/"); }

void apply(const Flag& flag, const std::string& word, const std::string& value, GlobalFlags& flags) {
  const auto refuse = [&](std::string hint) {
    throw Error(ErrorCode::Unsupported, fmt::format("{} is not supported", escape_control(word)), std::move(hint));
  };
  switch (flag.use) {
    case Use::Keep:
      flags.kept.emplace_back(flag.name);
      if (flag.has_value) flags.kept.push_back(value);
      return;
    case Use::Drop:
      return;
    case Use::Runtime:
      flags.runtime = value;
      return;
    case Use::Environment:
      ::setenv(flag.detail, value.c_str(), 1);
      return;
    case Use::Host:
      if (!is_local(value)) refuse(kNoRemote);
      return;
    case Use::Context:
      if (value != "default") refuse("proa has no contexts: it works here, as you");
      return;
    case Use::Remote:
      return refuse(kNoRemote);
    case Use::Refuse:
      return refuse(flag.detail);
  }
}

}  // namespace

GlobalFlags take_global_flags(const std::vector<std::string>& words) {
  GlobalFlags flags;
  std::size_t& at = flags.verb;
  while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
    const std::string& word = words[at++];
    const auto assigned = cut(word, "=");
    const Flag* flag = find_flag(assigned ? assigned->first : std::string_view(word));
    std::string value = assigned ? std::string(assigned->second) : "";
    // -Htcp://x
    if (flag == nullptr && word.size() > 2 && word[1] != '-') {
      flag = find_flag(word.substr(0, 2));
      if (flag != nullptr && !flag->has_value) flag = nullptr;
      value = word.substr(2);
    } else if (flag != nullptr && flag->has_value && !assigned) {
      if (at == words.size()) throw Error(ErrorCode::InvalidArgument, "flag needs an argument: " + word);
      value = words[at++];
    }
    if (flag == nullptr) {
      throw Error(ErrorCode::InvalidArgument, "unknown flag: " + escape_control(word),
                  "flags of a command stand behind it: `proa COMMAND --help`");
    }
    apply(*flag, word, value, flags);
  }
  return flags;
}

}  // namespace proa::front
