#include "tools/run/monitor/prepare.h"

#include <fcntl.h>
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/store_file.h"
#include "libcommon/runtime/generate.h"
#include "libcommon/runtime/rootfs.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/root_view.h"
#include "tools/run/engine/volumes.h"
#include "tools/run/monitor/prepared_mounts.h"

namespace proa::monitor {
namespace {

// Only into a volume that nobody has used yet, and that is empty (CVE-2020-1726). The image's path is resolved inside
// its root (CVE-2022-23648).
void fill_volumes(const MonitorPlan& plan, const os::Dir& root) {
  for (const auto& [data, target] : plan.new_volumes) {
    const auto source = target.empty() ? std::nullopt : root.try_open_in_root(target, O_RDONLY | O_DIRECTORY);
    engine::fill_once(data, [&source = source](int to) {
      if (!source) return;
      const struct stat like = os::stat(os::fd_path(source->get()), AT_FDCWD, 0);
      if (::fchmod(to, like.st_mode & 07777) < 0) throw system_error("fchmod of a volume");
      if (::fchown(to, like.st_uid, like.st_gid) < 0 && errno != EINVAL && errno != EPERM) {
        throw system_error("fchown of a volume");
      }
      runtime::copy_tree(source->get(), to);
    });
  }
}

}  // namespace

os::UniqueFd mount_root(const MonitorPlan& plan, const os::UserNamespacePlan& ids) {
  return engine::mount_layers(plan.container, plan.lowers, ids, plan.record.auto_remove);
}

oci::RuntimeSpec make_spec(MonitorPlan& plan, const os::UserNamespacePlan& ids, int root_mount, const Note& note) {
  runtime::ContainerSpec& wanted = *plan.spec;
  const os::Dir root(os::UniqueFd(::fcntl(root_mount, F_DUPFD_CLOEXEC, 3)), "/");
  fill_volumes(plan, root);
  wanted.identity = runtime::resolve_identity(plan.user, plan.group_add, root);
  const auto owner_id = [&](const os::IdMap& map, std::uint32_t id) {
    return map.empty() ? id : os::id_to_outside(map, id).value_or(id);
  };
  for (const auto& path : plan.give_away) {
    give_tree_away(path, owner_id(wanted.uids, wanted.identity.uid), owner_id(wanted.gids, wanted.identity.gid));
  }
  for (std::size_t i = 0; i < plan.record.secrets.size(); ++i) {
    const auto& secret = plan.record.secrets[i];
    if (secret.variable) continue;
    const os::UniqueFd file =
        os::open(plan.container.file(fmt::format("bundle/secret-{}", i)), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (::fchown(file.get(), owner_id(wanted.uids, secret.uid), owner_id(wanted.gids, secret.gid)) < 0 &&
        errno != EINVAL && errno != EPERM) {
      throw system_error("chown of secret " + secret.name);
    }
    if (::fchmod(file.get(), secret.mode) < 0) throw system_error("chmod of secret " + secret.name);
  }
  runtime::HostFacts facts = runtime::gather_host_facts(wanted, ids);
  facts.terminal_type = plan.terminal_type;
  runtime::Generated generated = runtime::generate(wanted, facts);
  for (const auto& line : generated.notes) note(line);
  return std::move(generated.spec);
}

void write_bundle(const MonitorPlan& plan, const oci::RuntimeSpec& spec) {
  auto file = os::StoreFile::create("bundle/config.json", plan.container.fd());
  file.write(spec.encode());
}

oci::RuntimeSpec read_bundle(const MonitorPlan& plan) {
  const os::Path file = plan.container.file("bundle/config.json");
  oci::RuntimeSpec spec = oci::RuntimeSpec::parse(os::read_file(file, oci::kMaxRuntimeSpecSize));
  const auto joins = engine::resolve_joins(plan.containers, plan.record);
  for (auto& space : spec.linux_.namespaces) {
    if (const auto found = joins.paths.find(space.type); found != joins.paths.end()) space.path = found->second;
  }
  return spec;
}

}  // namespace proa::monitor
