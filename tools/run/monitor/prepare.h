// Before the first start: the user namespace, the root file system, the bundle.
#pragma once

#include <functional>
#include <string>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/unique_fd.h"
#include "tools/run/monitor/plan.h"

namespace proa::monitor {

using Note = std::function<void(const std::string&)>;

// The container's own layer over those of its image, detached. Each start needs a new one.
os::UniqueFd mount_root(const MonitorPlan& plan, const os::UserNamespacePlan& ids);

// Merges what only the root file system knows (users, volumes' first contents) into the specification.
oci::RuntimeSpec make_spec(MonitorPlan& plan, const os::UserNamespacePlan& ids, int root_mount, const Note& note);
void write_bundle(const MonitorPlan& plan, const oci::RuntimeSpec& spec);
// With the namespaces of other containers where they are now.
oci::RuntimeSpec read_bundle(const MonitorPlan& plan);

}  // namespace proa::monitor
