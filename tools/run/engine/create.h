// From options and image to everything the monitor needs: the record, and what to ask of the runtime.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libcommon/oci/image.h"
#include "libcommon/runtime/container_spec.h"
#include "tools/run/engine/containers.h"
#include "tools/run/engine/run_options.h"
#include "tools/run/monitor/plan.h"

namespace proa::engine {

// The record and the runtime's part, without mounts and network files. Throws InvalidArgument or Unsupported naming the
// flag at fault.
void merge_process(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record,
                   runtime::ContainerSpec& spec);
void merge_namespaces(const Containers& containers, const RunOptions& options, ContainerRecord& record,
                      runtime::ContainerSpec& spec);
void merge_security(const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec);
void merge_limits(const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec);
// --restart: "no", "on-failure[:MAX]", "always", "unless-stopped".
void merge_restart(const std::string& text, ContainerRecord& record);
void merge_lifecycle(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record);
// Image HEALTHCHECK, --health-*.
void merge_health(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record);
void merge_ports(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record);

// Where the namespaces are that the container shares with others, and a monitor whose user namespace they belong to (0:
// nothing is shared). Throws when one of those containers does not run.
struct Joins {
  std::map<std::string, std::string> paths;  // by namespace type
  pid_t monitor = 0;
};
Joins resolve_joins(const Containers& containers, const ContainerRecord& record);

// What is done about mounts once the root file system is there.
struct MountWork {
  // Volumes that were never used: they get what the image has at their place, {folder of the data, path inside}. An
  // empty path: they only count as used from now on.
  std::vector<std::pair<os::Path, std::string>> new_volumes;
  std::vector<os::Path> give_away;  // to the user of the container
};
// -v, --mount, --tmpfs, --volumes-from, VOLUME: mounts of the specification; makes the volumes.
MountWork merge_mounts(const Containers& containers, const RunOptions& options, const oci::ImageConfig& image,
                       ContainerRecord& record, runtime::ContainerSpec& spec);
// --secret: files in the bundle and their mounts, variables of the environment.
void write_secrets(const Containers& containers, const Container& container, const os::Path& final_path,
                   const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec);
// /etc/hosts, /etc/hostname and /etc/resolv.conf in the bundle, and their mounts.
void write_network_files(const Container& container, const os::Path& final_path, const RunOptions& options,
                         ContainerRecord& record, runtime::ContainerSpec& spec);

// Stages a container. Nothing of it is visible before the monitor publishes it.
monitor::MonitorPlan plan_container(const Containers& containers, const RunOptions& options);

}  // namespace proa::engine
