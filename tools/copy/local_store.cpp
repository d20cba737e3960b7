#include "tools/copy/local_store.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/oci/reference.h"
#include "libcommon/registry/blob_places.h"

namespace proa::copy {

LocalStore::LocalStore(Access access)
    : access_(access),
      paths_(config::find_paths()),
      places_(std::make_shared<registry::BlobPlaces>(os::join(paths_.cache, "blob-places"))) {
  if (access != Access::Layers && access != Access::Files) return;
  if (access == Access::Layers) paths_.make();
  // Inside the user namespace we are uid 0; children have to find the same places.
  paths_.export_to_environment();
  const auto plan = os::enter_user_namespace(os::plan_user_namespace());
  id_mode_ = plan.mode;
  if (!plan.reason.empty())
    log::debug(plan.hint.empty() ? plan.reason : fmt::format("{} ({})", plan.reason, plan.hint));
}

std::string LocalStore::owners() const {
  switch (id_mode_) {
    case os::IdMode::Root:
      return "root";
    case os::IdMode::Full:
      return "full";
    case os::IdMode::Single:
      break;
  }
  return "single";
}

const store::Store& LocalStore::store() {
  if (!store_) {
    if (access_ == Access::Names) paths_.make();
    const bool reads = access_ == Access::Read || access_ == Access::Files;
    store_ = store::Store::open(paths_.data, reads ? store::Store::Create::No : store::Store::Create::Yes);
  }
  return *store_;
}

const store::Store* LocalStore::if_present() {
  if (!store_) store_ = store::Store::try_open(paths_.data);
  return store_ ? &*store_ : nullptr;
}

void require_platform(const store::StoredImage& image, const std::string& name, const std::string& platform) {
  if (platform.empty()) return;
  const auto wanted = oci::normalize(oci::Platform::parse(platform));
  if (!image.manifest.platform || oci::match_rank(wanted, oci::normalize(*image.manifest.platform))) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("image {} was found, but its platform ({}) does not match the specified one ({})", name,
                          image.manifest.platform->str(), wanted.str()),
              fmt::format("proa pull --platform {} {}", wanted.str(), name));
}

void image_not_known(const std::string& name) {
  throw Error(ErrorCode::NotFound, fmt::format("{}: image not known", name),
              "`proa images` lists the images that are here");
}

std::optional<store::StoredImage> LocalStore::find(const std::string& name) {
  const bool reads = access_ == Access::Read || access_ == Access::Files;
  const auto* present = reads ? if_present() : &store();
  return present == nullptr ? std::nullopt : present->find(name);
}

store::StoredImage LocalStore::get(const std::string& name) {
  auto image = find(name);
  if (!image) image_not_known(name);
  return std::move(*image);
}

transport::OpenOptions LocalStore::open_options(const transport::RegistryOptions& registry) {
  transport::OpenOptions options;
  options.registry = registry;
  if (!options.registry.places) options.registry.places = places_;
  options.store = [this]() -> const store::Store& { return store(); };
  options.id_mode = id_mode_;
  return options;
}

std::string familiar(const std::string& canonical_name) {
  return oci::Reference::parse_normalized(canonical_name).familiar();
}

}  // namespace proa::copy
