#include "tools/run/engine/image.h"

#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/process.h"
#include "libcommon/runtime/self.h"
#include "libcommon/store/lease.h"

namespace proa::engine {
namespace {

// --platform, or --os, --arch and --variant.
std::optional<std::string> wanted_platform(const RunOptions& options) {
  if (options.platform || (!options.arch && !options.os && !options.variant)) return options.platform;
  const auto host = oci::Platform::host();
  std::string text = options.os.value_or(host.os) + "/" + options.arch.value_or(host.architecture);
  if (options.variant) text += "/" + *options.variant;
  return text;
}

void pull(const RunOptions& options, const std::string& name) {
  os::SpawnPlan plan;
  plan.program = sibling_program("proa-copy");
  plan.arguments = {"pull"};
  if (options.quiet) plan.arguments.emplace_back("--quiet");
  if (const auto platform = wanted_platform(options)) plan.arguments.push_back("--platform=" + *platform);
  if (options.authfile) plan.arguments.push_back("--authfile=" + *options.authfile);
  if (options.tls_verify) plan.arguments.push_back(*options.tls_verify ? "--tls-verify=true" : "--tls-verify=false");
  plan.arguments.insert(plan.arguments.end(), {"--", name});
  // stdout is the container's; what the pull tells belongs to stderr.
  plan.descriptors = {{STDERR_FILENO, STDOUT_FILENO}};
  const os::WaitStatus status = os::spawn(plan).wait();
  if (status.success()) return;
  Error failure(ErrorCode::Unavailable, fmt::format("the image '{}' is not here and could not be pulled", name));
  if (status.signal() != 0) throw failure;
  throw std::move(failure).already_told();  // by proa-copy
}

bool fits(const store::StoredImage& image, const RunOptions& options) {
  const auto platform = wanted_platform(options);
  if (!platform || !image.manifest.platform) return true;
  return oci::match_rank(oci::Platform::parse(*platform), *image.manifest.platform).has_value();
}

std::optional<store::StoredImage> find_image(const Containers& containers, const RunOptions& options,
                                             const std::string& name) {
  const auto store = store::Store::try_open(containers.paths().data);
  if (!store) return std::nullopt;
  auto image = store->find(name);
  return image && fits(*image, options) ? image : std::nullopt;
}

}  // namespace

std::string sibling_program(const std::string& name) {
  const std::string own = runtime::own_binary();
  const auto slash = own.rfind('/');
  if (slash != std::string::npos) {
    std::string beside = own.substr(0, slash + 1) + name;
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return name;
}

ImageChoice choose_image(const Containers& containers, const RunOptions& options, const std::string& container_id) {
  const std::string& name = options.words.front();
  if (options.pull != "missing" && options.pull != "always" && options.pull != "never" && options.pull != "newer") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--pull={}: unknown policy", options.pull),
                "use missing, always, never or newer");
  }
  auto image = find_image(containers, options, name);
  if (options.pull == "always" || options.pull == "newer" || (!image && options.pull != "never")) {
    pull(options, name);
    image = find_image(containers, options, name);
  }
  if (!image) {
    throw Error(ErrorCode::NotFound, fmt::format("no such image: {}", name), "`proa images` lists what is here");
  }
  auto store = store::Store::open(containers.paths().data, store::Store::Create::No);
  store::add_use(store, container_id, *image);
  // Read after the use was made: what a collection took before that is missed here, and nothing is taken from now on.
  auto config = store.config(*image);
  auto lowers = image->top_layer ? store.overlay_lowers(*image) : std::vector<os::Path>{};
  return {std::move(store), std::move(*image), std::move(config), std::move(lowers)};
}

std::vector<os::Path> lowers_of(const Containers& containers, const ContainerRecord& record) {
  if (record.top_layer.empty()) return {};
  const auto store = store::Store::open(containers.paths().data, store::Store::Create::No);
  return store.overlay_lowers(oci::ChainId(oci::Digest::parse(record.top_layer)));
}

}  // namespace proa::engine
