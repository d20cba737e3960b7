#include "tools/build/base_image.h"

#include <fmt/format.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/platform.h"
#include "libcommon/oci/reference.h"
#include "libcommon/os/process.h"
#include "libcommon/runtime/self.h"

namespace proa::build {
namespace {

// The program beside ours, else the one in PATH.
std::string copy_program() {
  std::string self = runtime::own_binary();
  std::string beside = self.substr(0, self.find_last_of('/')) + "/proa-copy";
  return ::access(beside.c_str(), X_OK) == 0 ? beside : "proa-copy";
}

void pull(const std::string& name) {
  os::SpawnPlan plan;
  plan.program = copy_program();
  plan.arguments = {"pull", "--", name};
  // Our stdout is for the result of the build alone.
  plan.descriptors = {{STDERR_FILENO, STDOUT_FILENO}};
  os::WaitStatus status = os::spawn(plan).wait();
  if (!status.success()) {
    throw Error(ErrorCode::Unavailable, fmt::format("{} could not be pulled", escape_control(name)));
  }
}

}  // namespace

Snapshot load_base_image(Session& session, const std::string& name, PullPolicy policy) {
  While loading{[&] { return fmt::format("base image {}", escape_control(name)); }};
  const store::Store& store = session.store();
  auto image = policy == PullPolicy::Always ? std::nullopt : store.find(name);
  if (!image) {
    oci::Reference::parse_normalized(name);  // a word for the registry, not for the program that asks it
    if (policy == PullPolicy::Never)
      throw Error(ErrorCode::NotFound, "not in the store, and --pull=never forbids to fetch it");
    pull(name);
    image = store.get(name);
  }
  session.hold(*image);
  Snapshot snapshot{store.config(*image), store.manifest(*image).layers, image->top_layer};
  if (!oci::match_rank(oci::Platform::host(), snapshot.config.platform)) {
    log::warn(fmt::format("image {} is for {}, which does not run here", escape_control(name),
                          escape_control(snapshot.config.platform.str())));
  }
  return snapshot;
}

}  // namespace proa::build
