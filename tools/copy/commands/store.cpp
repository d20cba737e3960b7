// What `proa system check|prune|df` asks of the image store. Hidden: proa-run starts them.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "libcommon/archive/import.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/writer.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/store_refetch.h"

namespace proa::copy {

namespace {

struct StoreOptions {
  bool quick = false;
  bool repair = false;
  bool all = false;
  bool verbose = false;
  bool offline = false;
  transport::RegistryOptions registry;
};

using Kind = store::Finding::Kind;

// What is merely left over is said with --verbose only.
bool print_findings(const std::vector<store::Finding>& findings, bool verbose) {
  bool damage = false;
  for (const auto& finding : findings) {
    damage = damage || finding.damage();
    const bool idle = finding.kind == Kind::Unreferenced || finding.kind == Kind::Leftover;
    if (!idle || verbose) fmt::print("{}: {}\n", escape_control(finding.object), escape_control(finding.text));
  }
  return damage;
}

// A check that did not look at everything has not found the store sound.
void require_compared(const std::vector<store::Finding>& findings) {
  const auto count = std::count_if(findings.begin(), findings.end(),
                                   [](const auto& finding) { return finding.kind == Kind::Uncompared; });
  if (count == 0) return;
  throw Error(ErrorCode::NoSpace,
              fmt::format("{} layers could not be checked: the store has no room to unpack them", count),
              "make room for the largest layer, or compare without room by --quick");
}

// One line for each finding; exit code 1 when something is damaged and not mended.
cli::ExitCode check(cli::Context&, const StoreOptions& options) {
  LocalStore local(LocalStore::Access::Layers);
  store::CheckOptions check_options;
  check_options.owners = local.owners();
  check_options.content = !options.quick;
  if (!options.repair) {
    const auto findings = store::check(local.store(), check_options);
    if (print_findings(findings, options.verbose)) return 1;
    require_compared(findings);
    return 0;
  }
  // Blobs first: the layers are made again from them.
  const auto findings = store::check(local.store(), check_options);
  std::vector<std::string> fetched;
  if (!options.offline) fetched = refetch_blobs(local, findings, options.registry);
  auto report = store::repair(local.store(), check_options);
  print_findings(fetched.empty() ? report.findings : findings, options.verbose);
  report.actions.insert(report.actions.begin(), fetched.begin(), fetched.end());
  for (const auto& action : report.actions) fmt::print("{}\n", escape_control(action));
  require_compared(report.findings);
  return 0;
}

// {"images": N, "layers": N, "blobs": N, "bytes": N}
cli::ExitCode prune(cli::Context&, const StoreOptions& options) {
  LocalStore local(LocalStore::Access::Layers);
  const auto& store = local.store();
  std::size_t images = 0;
  for (const auto& image : store.list()) {
    if ((!image.names.empty() && !options.all) || !store::uses_of(store, image).empty()) continue;
    store::remove_image(store, image, false);
    ++images;
  }
  if (options.all) store::remove_cached(store, {});
  const auto report = store::collect(store);
  const nlohmann::ordered_json result = {
      {"images", images}, {"layers", report.layers}, {"blobs", report.blobs}, {"bytes", report.bytes}};
  fmt::print("{}\n", json_text(result));
  return 0;
}

// {"total": images, "active": used by containers, "size": bytes of layers, "reclaimable": bytes that only unused images
// need}
cli::ExitCode df(cli::Context&, const StoreOptions&) {
  LocalStore local(LocalStore::Access::Read);
  const auto* store = local.if_present();
  nlohmann::ordered_json result = {
      {"total", 0}, {"active", 0}, {"size", 0}, {"reclaimable", 0}, {"images", nlohmann::json::array()}};
  if (store != nullptr) {
    std::size_t active = 0;
    std::uint64_t size = 0, used = 0;
    std::set<oci::ChainId> seen, seen_used;
    const auto images = store->list();
    const auto uses = store::count_uses(*store);
    for (const auto& image : images) {
      const auto used_by = uses.find(image.manifest.digest);
      const auto containers = used_by == uses.end() ? 0 : used_by->second;
      if (containers > 0) ++active;
      for (const auto& layer : store->layers(image)) {
        if (seen.insert(layer.chain).second) size += layer.size;
        if (containers > 0 && seen_used.insert(layer.chain).second) used += layer.size;
      }
      result["images"].push_back(
          {{"id", image.id.hex()}, {"names", image.names}, {"size", image.size}, {"containers", containers}});
    }
    result["total"] = images.size();
    result["active"] = active;
    result["size"] = size;
    result["reclaimable"] = size - used;
  }
  fmt::print("{}\n", json_text(result));
  return 0;
}

// Standard input without its compression.
cli::ExitCode unpack(cli::Context&, const StoreOptions&) {
  const auto duplicate = [](int fd) {
    os::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy.valid()) throw system_error("duplicate a standard stream");
    return copy;
  };
  const auto plain =
      archive::decompress_import(std::make_unique<io::FdSource>(duplicate(STDIN_FILENO), "standard input"));
  io::FdSink sink(duplicate(STDOUT_FILENO), "standard output");
  io::copy(*plain, sink);
  return 0;
}

}  // namespace

cli::Command store_check_command() {
  return cli::command<StoreOptions>("store-check", "Check the image store")
      .flag("offline", &StoreOptions::offline, "Fetch nothing from registries")
      .flag("quick,q", &StoreOptions::quick, "Compare records and fingerprints only")
      .flag("repair,r", &StoreOptions::repair, "Mend what is damaged")
      .flag("verbose,v", &StoreOptions::verbose, "Also what is no damage")
      .with([](cli::CommandBuilder<StoreOptions>& b) { registry_flags(b, &StoreOptions::registry); })
      .hidden()
      .runs(check);
}

cli::Command store_prune_command() {
  return cli::command<StoreOptions>("store-prune", "Remove what nothing needs from the image store")
      .flag("all,a", &StoreOptions::all, "Also named images that no container uses")
      .hidden()
      .runs(prune);
}

cli::Command store_unpack_command() {
  return cli::command<StoreOptions>("store-unpack", "Take the compression off standard input").hidden().runs(unpack);
}

cli::Command store_df_command() {
  return cli::command<StoreOptions>("store-df", "Say what the image store takes").hidden().runs(df);
}

}  // namespace proa::copy
