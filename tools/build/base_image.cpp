#include "tools/build/base_image.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/platform.h"
#include "libcommon/oci/reference.h"
#include "tools/build/sources/helper.h"

namespace proa::build {
namespace {

void pull(const std::string& name) {
  run_copy_program({"pull", "--", name}, fmt::format("{} could not be pulled", escape_control(name)));
}

// Steps see the owners that files of the base have on disk, so layers from the time when one id was mapped do not
// serve.
void renew(Session& session, const store::StoredImage& image) {
  if (!store::has_outdated_layers(session.store(), image, owners_name(session.plan().mode))) return;
  const std::string owners = owners_name(session.enter().mode);
  store::renew_layers(session.store(), image, owners);
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
  renew(session, *image);
  Snapshot snapshot{store.config(*image), store.manifest(*image).layers, image->top_layer};
  if (!oci::match_rank(oci::Platform::host(), snapshot.config.platform)) {
    log::warn(fmt::format("image {} is for {}, which does not run here", escape_control(name),
                          escape_control(snapshot.config.platform.str())));
  }
  return snapshot;
}

}  // namespace proa::build
