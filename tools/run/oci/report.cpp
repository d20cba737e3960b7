#include "tools/run/oci/report.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/dir.h"
#include "libcommon/runtime/generate.h"
#include "libcommon/runtime/seccomp.h"
#include "tools/run/oci/state.h"

namespace proa::run::oci {
namespace {

using OrderedJson = nlohmann::ordered_json;

void print(const OrderedJson& value) { fmt::print("{}\n", json_text(value, 2)); }

// Processes of the container's pid namespace, by the host's numbers.
std::vector<pid_t> processes_of(const ContainerState& state) {
  if (!state.cgroup.empty()) return os::Cgroup::open(state.cgroup).processes();
  auto space = [](pid_t pid) -> std::string {
    try {
      return os::read_link(fmt::format("/proc/{}/ns/pid", pid));
    } catch (const Error&) {
      return {};  // gone, or not ours to look at
    }
  };
  std::vector<pid_t> pids;
  std::string wanted = space(state.pid);
  for (const auto& name : os::list_dir("/proc")) {
    auto pid = parse_integer<pid_t>(name);
    if (pid && !wanted.empty() && space(*pid) == wanted) pids.push_back(*pid);
  }
  return pids;
}

}  // namespace

void print_state(const std::string& id) {
  auto state = load(id);
  fmt::print("{}", spec_state(state, status_of(state)));
}

void print_list(bool quiet, const std::string& format) {
  OrderedJson list = OrderedJson::array();
  if (!quiet && format != "json")
    fmt::print("{:<20} {:<10} {:<10} {:<30} {}\n", "ID", "PID", "STATUS", "CREATED", "BUNDLE");
  for (const auto& id : all_ids()) {
    auto state = load(id);
    Status status = status_of(state);
    int pid = status == Status::Stopped ? 0 : state.pid;
    if (quiet) {
      fmt::print("{}\n", id);
    } else if (format == "json") {
      list.push_back({{"ociVersion", "1.0.2"},
                      {"id", id},
                      {"pid", pid},
                      {"status", status_name(status)},
                      {"bundle", state.bundle},
                      {"created", state.created},
                      {"owner", state.owner}});
    } else {
      fmt::print("{:<20} {:<10} {:<10} {:<30} {}\n", id, pid, status_name(status), state.created,
                 escape_control(state.bundle));
    }
  }
  if (!quiet && format == "json") print(list);
}

void print_processes(const std::string& id, const std::string& format) {
  auto state = load(id);
  auto pids = processes_of(state);
  if (format == "json") return print(OrderedJson(pids));
  fmt::print("PID\n");
  for (pid_t pid : pids) fmt::print("{}\n", pid);
}

void write_default_spec(const std::string& bundle, bool rootless) {
  runtime::ContainerSpec spec;
  spec.args = {"sh"};
  spec.hostname = "proa";
  spec.terminal = true;
  spec.read_only = true;
  spec.read_only_tmpfs = false;
  runtime::HostFacts facts;
  facts.capabilities = os::all_capabilities();
  if (rootless) {
    spec.user = {};
    spec.uids = {{0, ::geteuid(), 1}};
    spec.gids = {{0, ::getegid(), 1}};
    facts.in_user_namespace = true;
    facts.mapped_ids = 1;
  }
  std::string path = os::join(bundle, "config.json");
  std::string text = runtime::generate(spec, facts).spec.encode();
  os::UniqueFd fd = os::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  os::write_all(fd.get(), std::string_view(text), path);
}

void print_features() {
  OrderedJson features;
  features["ociVersionMin"] = "1.0.0";
  features["ociVersionMax"] = "1.2.0";
  features["hooks"] = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
  features["mountOptions"] = {
      "async",       "atime",        "bind",         "defaults",    "dev",        "diratime",      "exec",
      "noatime",     "nodev",        "nodiratime",   "noexec",      "norelatime", "nostrictatime", "nosuid",
      "nosymfollow", "private",      "ratime",       "rbind",       "rdev",       "rdiratime",     "relatime",
      "rexec",       "rnoatime",     "rnodev",       "rnodiratime", "rnoexec",    "rnorelatime",   "rnostrictatime",
      "rnosuid",     "rnosymfollow", "ro",           "rprivate",    "rrelatime",  "rro",           "rrw",
      "rshared",     "rslave",       "rstrictatime", "rsuid",       "rsymfollow", "runbindable",   "rw",
      "shared",      "slave",        "strictatime",  "suid",        "symfollow",  "sync",          "tmpcopyup",
      "unbindable"};
  OrderedJson part;
  part["namespaces"] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
  part["capabilities"] = os::capability_names(os::all_capabilities());
  part["cgroup"] = {{"v1", false}, {"v2", true}, {"systemd", false}, {"systemdUser", false}};
  auto profile = runtime::default_seccomp_profile(0);
  part["seccomp"] = {{"enabled", true},
                     {"actions",
                      {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                       "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"}},
                     {"operators",
                      {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                       "SCMP_CMP_NE"}},
                     {"archs", profile.architectures}};
  part["apparmor"] = {{"enabled", true}};
  part["selinux"] = {{"enabled", true}};
  part["mountExtensions"] = {{"idmap", {{"enabled", false}}}};
  features["linux"] = std::move(part);
  features["annotations"] = {{"org.proa.version", PROA_VERSION}};
  print(features);
}

}  // namespace proa::run::oci
