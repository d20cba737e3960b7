// update: other limits and another restart policy for a container that exists.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/store_file.h"
#include "libcommon/runtime/cgroup_limits.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/run_flags.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/root_view.h"

namespace proa::commands {
namespace {

using Options = engine::RunOptions;

// What was asked for takes the place of what was there; the rest stays.
void merge(const oci::RuntimeResources& wanted, oci::RuntimeResources& to) {
  const auto take = [](const auto& from, auto& into) {
    if (from) into = from;
  };
  take(wanted.memory_limit, to.memory_limit);
  take(wanted.memory_reservation, to.memory_reservation);
  take(wanted.memory_swap, to.memory_swap);
  take(wanted.cpu_shares, to.cpu_shares);
  take(wanted.cpu_period, to.cpu_period);
  take(wanted.cpu_quota, to.cpu_quota);
  take(wanted.pids_limit, to.pids_limit);
  take(wanted.block_io_weight, to.block_io_weight);
  if (!wanted.cpus.empty()) to.cpus = wanted.cpus;
  if (!wanted.mems.empty()) to.mems = wanted.mems;
}

void write_spec(const engine::Container& container, const oci::RuntimeSpec& spec) {
  constexpr const char* kNew = "bundle/.config.json";
  os::store_call::unlink(kNew, container.fd());
  os::StoreFile::create(kNew, container.fd()).write(spec.encode());
  os::store_call::rename(kNew, container.fd(), "bundle/config.json", container.fd());
}

void update_one(const engine::Containers& containers, const engine::Container& container, const Options& options) {
  const auto snapshot = engine::look_at(container);
  auto record = snapshot.record;
  runtime::ContainerSpec wanted;
  engine::merge_limits(options, record, wanted);
  // 0 and below take the limit away.
  if (options.pids_limit && *options.pids_limit <= 0) wanted.resources.pids_limit = -1;
  auto spec = engine::read_spec(container);
  if (!spec) throw Error(ErrorCode::Corrupt, fmt::format("container {} has no specification", record.name));
  const auto settings = runtime::cgroup_settings(wanted.resources);
  if (snapshot.running() && !settings.files.empty()) {
    if (snapshot.state->cgroup.empty()) {
      throw Error(ErrorCode::Unsupported, "limits need a cgroup v2, and this container has none",
                  "start it from a systemd user session with cgroups v2");
    }
    runtime::change_limits(snapshot.state->cgroup, wanted.resources);
  }
  if (!settings.files.empty()) {
    auto resources = spec->linux_.resources.value_or(oci::RuntimeResources{});
    merge(wanted.resources, resources);
    spec->linux_.resources = resources;
    write_spec(container, *spec);
  }
  if (options.restart) {
    engine::merge_restart(*options.restart, record);
    container.write_record(record);
  }
  engine::log_event(containers.paths(), engine::container_event(record, "update"));
}

int update(cli::Context&, const Options& options) {
  const auto containers = open_containers();
  return for_each(containers, {options.words, false, false}, false,
                  [&](const engine::Container& container) { update_one(containers, container, options); });
}

}  // namespace

cli::Command update_command() {
  auto b = cli::command<Options>("update", "Change limits and restart policy of containers");
  b.with(add_limit_flags)
      .value("restart", &Options::restart, "no, on-failure[:MAX], always or unless-stopped", "POLICY")
      .positionals("CONTAINER [CONTAINER...]", &Options::words, 1, cli::kAnyNumber, cli::Complete::Container);
  for (const char* name :
       {"blkio-weight-device", "device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops",
        "cpu-rt-period", "cpu-rt-runtime", "memory-swappiness", "kernel-memory"}) {
    refuse(b, name, true, "leave it out");
  }
  for (const char* name :
       {"env", "unsetenv", "ulimit", "health-cmd", "health-interval", "health-log-destination", "health-max-log-count",
        "health-max-log-size", "health-on-failure", "health-retries", "health-start-period", "health-startup-cmd",
        "health-startup-interval", "health-startup-retries", "health-startup-success", "health-startup-timeout",
        "health-timeout"}) {
    refuse(b, name, true, "make the container again: `proa run --replace`");
  }
  refuse(b, "no-healthcheck", false, "make the container again: `proa run --replace`");
  return b.runs(update);
}

}  // namespace proa::commands
