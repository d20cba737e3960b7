#include "libcommon/runtime/cgroup_limits.h"

#include <fmt/core.h>

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

namespace {

void apply(const os::Cgroup& group, const oci::RuntimeResources& resources, const std::string& file,
           const std::string& value) {
  const auto has = [&](const std::string& name) { return os::exists(os::join(group.directory(), name)); };
  // A kernel without swap has no such file; the limit is kept.
  if (file == "memory.swap.max" && !has(file)) return;
  if (file != "io.weight" || has(file)) return group.set(file, value);
  // The scheduler bfq has weights of its own, on the scale of the specification.
  if (!has("io.bfq.weight")) {
    throw Error(ErrorCode::Unsupported,
                "this kernel keeps no weights of block I/O (neither io.weight nor io.bfq.weight)");
  }
  group.set("io.bfq.weight", std::to_string(*resources.block_io_weight));
}

}  // namespace

void change_limits(const os::Path& directory, const oci::RuntimeResources& resources) {
  const auto settings = cgroup_settings(resources);
  for (const auto& [file, value] : settings.files) {
    if (os::exists(os::join(directory, file))) continue;
    throw Error(ErrorCode::Unsupported,
                fmt::format("{} cannot be set to {}: its cgroup controller is not delegated to us", file, value));
  }
  const os::Cgroup group = os::Cgroup::open(directory);
  for (const auto& [file, value] : settings.files) group.set(file, value);
}

std::optional<os::Cgroup> make_cgroup(os::CgroupPlace& place, const oci::RuntimeResources& resources) {
  const auto settings = cgroup_settings(resources);
  const While making{"making the container's cgroup"};
  const os::Path& parent = place.directory();
  const auto offered = parent.empty() ? std::vector<std::string>{} : os::cgroup_controllers(parent);
  std::vector<std::string> needed = settings.controllers;
  std::erase(needed, "cgroup");  // "cgroup.*" are files of every group
  for (const auto& controller : needed) {
    if (std::find(offered.begin(), offered.end(), controller) != offered.end()) continue;
    const std::string why = place.problem().empty() ? "" : " (" + place.problem() + ")";
    throw Error(ErrorCode::Unsupported,
                fmt::format("the controller {} of its limits is not delegated to us{}", controller, why));
  }
  if (parent.empty()) return std::nullopt;
  auto group = os::Cgroup::create(place.group(), needed);
  try {
    for (const auto& [file, value] : settings.files) apply(group, resources, file, value);
  } catch (...) {
    group.remove();
    throw;
  }
  return group;
}

}  // namespace proa::runtime
