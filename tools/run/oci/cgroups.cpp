#include "tools/run/oci/cgroups.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/runtime/cgroup_limits.h"
#include "libcommon/runtime/mount_plan.h"
#include "tools/run/oci/oci.h"

namespace proa::run::oci {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";

// "slice:prefix:name" of the systemd convention as the path that systemd would use for it.
std::string systemd_path(const std::string& text) {
  auto parts = split(text, ':', 3);
  if (parts.size() != 3)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("cgroupsPath '{}' is not slice:prefix:name", escape_control(text)));
  std::string slice = parts[0].empty() ? "system.slice" : parts[0];
  std::string path, part;
  // a-b.slice lies in a.slice.
  std::string stem = slice.ends_with(".slice") ? slice.substr(0, slice.size() - 6) : slice;
  for (const auto& word : split(stem, '-')) {
    part += part.empty() ? word : "-" + word;
    path += "/" + part + ".slice";
  }
  return fmt::format("{}/{}-{}.scope", path, parts[1], parts[2]);
}

std::string wanted_path(const std::string& id, const proa::oci::RuntimeSpec& spec, const os::CgroupFacts& facts) {
  const std::string& asked = spec.linux_.cgroups_path;
  if (asked.empty()) return facts.delegated.empty() ? std::string() : os::join(facts.delegated, "proa-" + id);
  std::string path = globals().systemd_cgroup && asked.find(':') != std::string::npos ? systemd_path(asked) : asked;
  for (const auto& part : split(path, '/')) {
    if (part == "..") throw Error(ErrorCode::InvalidArgument, "cgroupsPath may not hold '..'");
  }
  return kMount + runtime::clean_path(path);
}

void make_levels(const std::string& directory, const std::vector<std::string>& controllers) {
  std::string path = kMount;
  for (const auto& part : split(std::string_view(directory).substr(path.size()), '/')) {
    if (part.empty()) continue;
    for (const auto& controller : controllers) {
      // A level that does not hand the controller on shows itself when the limit is written.
      os::UniqueFd control(::open((path + "/cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
      std::string word = "+" + controller;
      [[maybe_unused]] auto written = ::write(control.get(), word.data(), word.size());
    }
    path += "/" + part;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) throw system_error("mkdir " + path);
  }
}

// A controller that does not reach here is said once. Engines ask for a limit of processes by default; that alone is
// not worth a line each time.
void note_missing(const std::vector<std::string>& files) {
  if (files.empty() || (files.size() == 1 && files[0] == "pids.max")) return;
  log::note(fmt::format("resource limits cannot be kept, their cgroup v2 controllers are not delegated to us: {}",
                        join(files, ", ")));
}

// With --systemd-cgroup the caller names a scope. This process is in it then, too, until it ends.
std::string make_scope(const std::string& asked, const os::SystemdManager& manager) {
  const auto parts = split(asked, ':', 3);
  if (parts.size() != 3)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("cgroupsPath '{}' is not slice:prefix:name", escape_control(asked)));
  const std::string& slice = parts[0].empty() ? manager.slice : parts[0];
  const std::string unit = fmt::format("{}{}{}.scope", parts[1], parts[1].empty() ? "" : "-", parts[2]);
  os::CgroupPlace place(manager, unit, slice);
  if (place.directory().empty()) throw Error(ErrorCode::Unavailable, place.problem());
  return place.group();
}

}  // namespace

std::string make_group(const std::string& id, const proa::oci::RuntimeSpec& spec) {
  if (globals().no_cgroups) return {};
  auto resources = spec.linux_.resources.value_or(proa::oci::RuntimeResources{});
  auto settings = runtime::cgroup_settings(resources);
  auto facts = os::gather_cgroup_facts();
  std::vector<std::string> missing;
  std::string directory;
  const std::string& asked = spec.linux_.cgroups_path;
  if (globals().systemd_cgroup && facts.systemd && asked.find(':') != std::string::npos) {
    directory = make_scope(asked, *facts.systemd);
    make_levels(directory, settings.controllers);
  } else if (!facts.delegated.empty()) {
    directory = wanted_path(id, spec, facts);
    make_levels(directory, settings.controllers);
  }
  for (const auto& [file, value] : settings.files) {
    if (directory.empty() || !os::exists(os::join(directory, file))) {
      missing.push_back(file);
    } else {
      os::Cgroup::open(directory).set(file, value);
    }
  }
  note_missing(missing);
  return directory;
}

void remove_group(const std::string& directory) noexcept {
  if (directory.empty()) return;
  try {
    // Mostly empty already; then this is one call.
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return;
    auto group = os::Cgroup::open(directory);
    group.kill_all();
    group.remove();
  } catch (const std::exception& error) {
    log::debug(error.what());
  }
}

}  // namespace proa::run::oci
