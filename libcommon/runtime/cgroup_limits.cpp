#include "libcommon/runtime/cgroup_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::runtime {
namespace {

std::string limit_text(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

class Builder {
 public:
  void add(const char* controller, std::string file, std::string value) {
    auto& list = settings_.controllers;
    if (std::find(list.begin(), list.end(), controller) == list.end()) list.emplace_back(controller);
    settings_.files.emplace_back(std::move(file), std::move(value));
  }
  CgroupSettings take() { return std::move(settings_); }

 private:
  CgroupSettings settings_;
};

void add_memory(Builder& out, const oci::RuntimeResources& r) {
  if (r.memory_limit) out.add("memory", "memory.max", limit_text(*r.memory_limit));
  if (r.memory_reservation) out.add("memory", "memory.low", limit_text(*r.memory_reservation));
  if (!r.memory_swap) return;
  // v1 counted memory and swap together, v2 counts swap alone.
  std::int64_t swap = *r.memory_swap;
  if (swap > 0) {
    if (!r.memory_limit) throw Error(ErrorCode::InvalidArgument, "a swap limit needs a memory limit");
    if (swap < *r.memory_limit)
      throw Error(ErrorCode::InvalidArgument, "the limit of memory and swap is below that of memory");
    swap -= *r.memory_limit;
  }
  out.add("memory", "memory.swap.max", limit_text(swap));
}

void add_cpu(Builder& out, const oci::RuntimeResources& r) {
  if (r.cpu_shares && *r.cpu_shares != 0) {
    // From 2..262144 to 1..10000, as systemd and the other runtimes do.
    std::uint64_t shares = std::clamp<std::uint64_t>(*r.cpu_shares, 2, 262144);
    out.add("cpu", "cpu.weight", std::to_string(1 + (shares - 2) * 9999 / 262142));
  }
  if (r.cpu_quota || r.cpu_period) {
    std::uint64_t period = r.cpu_period.value_or(100000);
    std::int64_t quota = r.cpu_quota.value_or(-1);
    out.add("cpu", "cpu.max", fmt::format("{} {}", quota > 0 ? std::to_string(quota) : "max", period));
  }
  if (r.cpu_idle) out.add("cpu", "cpu.idle", std::to_string(*r.cpu_idle));
  if (!r.cpus.empty()) out.add("cpuset", "cpuset.cpus", r.cpus);
  if (!r.mems.empty()) out.add("cpuset", "cpuset.mems", r.mems);
}

}  // namespace

CgroupSettings cgroup_settings(const oci::RuntimeResources& resources) {
  Builder out;
  add_memory(out, resources);
  add_cpu(out, resources);
  if (resources.pids_limit)
    out.add("pids", "pids.max", *resources.pids_limit > 0 ? std::to_string(*resources.pids_limit) : "max");
  if (resources.block_io_weight && *resources.block_io_weight != 0) {
    // 10..1000 to 1..10000.
    unsigned weight = 1 + (*resources.block_io_weight - 10U) * 9999 / 990;
    out.add("io", "io.weight", std::to_string(weight));
  }
  for (const auto& [file, value] : resources.unified) {
    auto dot = file.find('.');
    if (file.find('/') != std::string::npos || dot == std::string::npos) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no file of a cgroup", escape_control(file)));
    }
    std::string controller = file.substr(0, dot);
    out.add(controller.c_str(), file, value);
  }
  return out.take();
}

std::optional<os::Cgroup> make_cgroup(const std::string& name, const oci::RuntimeResources& resources,
                                      std::vector<std::string>& notes) {
  auto settings = cgroup_settings(resources);
  auto facts = os::gather_cgroup_facts();
  if (facts.delegated.empty()) {
    if (!settings.files.empty()) notes.emplace_back("resource limits cannot be kept: no cgroup v2 is delegated to us");
    return std::nullopt;
  }
  auto missing = [&](const std::string& controller) {
    return controller != "cgroup" &&
           std::find(facts.controllers.begin(), facts.controllers.end(), controller) == facts.controllers.end();
  };
  for (const auto& controller : settings.controllers) {
    if (missing(controller))
      notes.push_back(fmt::format("limits of {} cannot be kept: the controller is not delegated to us", controller));
  }
  std::erase_if(settings.controllers,
                [&](const auto& controller) { return missing(controller) || controller == "cgroup"; });
  auto group = os::Cgroup::create(facts, name, settings.controllers);
  for (const auto& [file, value] : settings.files) {
    if (!missing(file.substr(0, file.find('.')))) group.set(file, value);
  }
  return group;
}

}  // namespace proa::runtime
