// info, version, top, unshare.
#include <errno.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/oci/platform.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/process.h"
#include "libcommon/os/user.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/user_namespace.h"

namespace proa::commands {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct FormatOptions {
  std::string format;
};

// "Key: value" lines, nested by two spaces.
void print_tree(const OrderedJson& value, int depth) {
  for (const auto& [key, member] : value.items()) {
    const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
    if (member.is_object()) {
      print(fmt::format("{}{}:\n", indent, key));
      print_tree(member, depth + 1);
    } else {
      print(fmt::format("{}{}: {}\n", indent, key,
                        escape_control(member.is_string() ? member.get<std::string>() : json_text(member))));
    }
  }
}

int print_object(const OrderedJson& object, const std::string& format) {
  if (format.empty()) {
    print_tree(object, 0);
  } else if (format == "json") {
    print(json_text(object, 2) + "\n");
  } else {
    print(cli::format_inspect(format, nlohmann::json::array({nlohmann::json(object)})));
  }
  return 0;
}

const char* mode_name(os::IdMode mode) {
  switch (mode) {
    case os::IdMode::Root:
      return "root";
    case os::IdMode::Full:
      return "subordinate ids";
    case os::IdMode::Single:
      return "one id";
  }
  return "";
}

OrderedJson containers_json(const engine::Containers& containers) {
  int running = 0, paused = 0, stopped = 0;
  for (const auto& container : containers.list()) {
    const auto status = engine::look_at(container).status;
    running += status == engine::Status::Running;
    paused += status == engine::Status::Paused;
    stopped += status != engine::Status::Running && status != engine::Status::Paused;
  }
  return {{"number", running + paused + stopped}, {"running", running}, {"paused", paused}, {"stopped", stopped}};
}

// For templates of docker's clients.
OrderedJson with_docker_names(OrderedJson object) {
  const OrderedJson host = object["host"], store = object["store"];
  object["ServerVersion"] = PROA_VERSION;
  object["Name"] = host["hostname"];
  object["OSType"] = "linux";
  object["OperatingSystem"] = "linux";
  object["Architecture"] = host["arch"];
  object["KernelVersion"] = host["kernel"];
  object["NCPU"] = host["cpus"];
  object["MemTotal"] = host["memTotal"];
  object["Driver"] = "overlay2";
  object["DockerRootDir"] = store["graphRoot"];
  object["CgroupVersion"] = host["cgroupVersion"] == "v2" ? "2" : "1";
  object["CgroupDriver"] = host["cgroupManager"];
  object["Containers"] = store["containerStore"]["number"];
  object["ContainersRunning"] = store["containerStore"]["running"];
  object["ContainersPaused"] = store["containerStore"]["paused"];
  object["ContainersStopped"] = store["containerStore"]["stopped"];
  object["SecurityOptions"] = {"name=seccomp,profile=default", "name=rootless"};
  object["RegistryConfig"] = {{"Mirrors", OrderedJson::array()}, {"IndexConfigs", OrderedJson::object()}};
  return object;
}

int info(cli::Context&, const FormatOptions& options) {
  const auto containers = open_containers();
  const auto& paths = containers.paths();
  const os::UserNamespacePlan ids = os::plan_user_namespace();
  const os::CgroupFacts cgroups = os::gather_cgroup_facts();
  utsname name{};
  ::uname(&name);
  struct sysinfo memory {};
  ::sysinfo(&memory);
  const auto network = os::find_program("pasta");
  OrderedJson id_json = {
      {"mode", mode_name(ids.mode)}, {"uids", os::id_map_size(ids.uids)}, {"gids", os::id_map_size(ids.gids)}};
  if (!ids.reason.empty()) id_json["note"] = ids.reason;
  if (!ids.reason.empty() && !ids.hint.empty()) id_json["hint"] = ids.hint;
  const OrderedJson object = {{"version", {{"Version", PROA_VERSION}, {"OsArch", oci::Platform::host().str()}}},
                              {"host",
                               {{"arch", oci::Platform::host().architecture},
                                {"os", "linux"},
                                {"kernel", name.release},
                                {"hostname", name.nodename},
                                {"cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
                                {"memTotal", static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit},
                                {"memFree", static_cast<std::uint64_t>(memory.freeram) * memory.mem_unit},
                                {"cgroupVersion", cgroups.unified ? "v2" : "v1"},
                                {"cgroupsVersion", cgroups.unified ? "v2" : "v1"},
                                {"cgroupManager", cgroups.systemd ? "systemd" : "cgroupfs"},
                                {"eventLogger", "file"},
                                {"logDriver", "k8s-file"},
                                {"networkBackend", "pasta"},
                                {"rootlessNetworkCmd", "pasta"},
                                {"security",
                                 {{"rootless", ids.mode != os::IdMode::Root},
                                  {"seccompEnabled", true},
                                  {"apparmorEnabled", false},
                                  {"selinuxEnabled", false}}},
                                {"swapTotal", static_cast<std::uint64_t>(memory.totalswap) * memory.mem_unit},
                                {"swapFree", static_cast<std::uint64_t>(memory.freeswap) * memory.mem_unit},
                                {"uptime", format_go_duration(std::chrono::seconds(memory.uptime))},
                                {"cgroupControllers", cgroups.controllers},
                                {"cgroupDelegated", cgroups.usable()},
                                {"rootless", ids.mode != os::IdMode::Root},
                                {"ids", id_json},
                                {"pasta", network.value_or("not installed")},
                                {"ociRuntime", {{"name", "proa"}}}}},
                              {"store",
                               {{"graphDriverName", "overlay"},
                                {"graphRoot", paths.data},
                                {"runRoot", paths.run},
                                {"cache", paths.cache},
                                {"volumePath", os::join(paths.data, "volumes")},
                                {"containerStore", containers_json(containers)}}}};
  if (options.format.empty() || options.format == "json") return print_object(object, options.format);
  return print_object(with_docker_names(object), options.format);
}

int version(cli::Context&, const FormatOptions& options) {
  OrderedJson client = {{"Version", PROA_VERSION}, {"OsArch", oci::Platform::host().str()}, {"Os", "linux"}};
  if (options.format.empty()) return print_object(client, {});
  // There is no server; docker's clients ask for its version all the same.
  client["APIVersion"] = client["ApiVersion"] = PROA_VERSION;
  client["Arch"] = oci::Platform::host().architecture;
  client["GoVersion"] = client["GitCommit"] = client["BuiltTime"] = "";
  return print_object({{"Client", client}, {"Server", client}}, options.format);
}

struct UnshareOptions {
  std::vector<std::string> words;
};

int unshare(cli::Context&, const UnshareOptions& options) {
  const auto containers = open_containers();
  if (::geteuid() == 0 && !os::in_user_namespace()) {
    throw Error(ErrorCode::InvalidArgument, "as root there is no user namespace to enter");
  }
  std::vector<std::string> words = options.words;
  if (words.empty()) words.emplace_back(::getenv("SHELL") != nullptr ? ::getenv("SHELL") : "/bin/sh");
  engine::enter_shared_user_namespace(containers.paths(), 0);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  cli::report(system_error("start " + words[0]));
  return errno == ENOENT ? 127 : 126;
}

}  // namespace

cli::Command info_command() {
  return cli::command<FormatOptions>("info", "Show what this machine offers")
      .value("format,f", &FormatOptions::format, "json, or a Go template", "FORMAT")
      .runs(info);
}

cli::Command version_command() {
  return cli::command<FormatOptions>("version", "Show the version")
      .value("format,f", &FormatOptions::format, "json, or a Go template", "FORMAT")
      .runs(version);
}

cli::Command unshare_command() {
  return cli::command<UnshareOptions>("unshare", "Run a command in the user namespace of the containers")
      .positionals("[COMMAND [ARG...]]", &UnshareOptions::words, 0, cli::kAnyNumber)
      .options_end_at_first_positional()
      .runs(unshare);
}

}  // namespace proa::commands
