#include "tools/run/engine/create.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/oci/reference.h"
#include "libcommon/os/store_file.h"
#include "libcommon/os/tty.h"
#include "libcommon/spec/volumes.h"
#include "libcommon/store/lease.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/volumes.h"

namespace proa::engine {
namespace {

// As the user called it, made whole: "hello" is hello:latest. An id stays an id.
std::string image_title(const std::string& typed, const store::StoredImage& image) {
  try {
    const oci::Reference name = oci::Reference::parse_normalized(typed).with_default_tag();
    for (const auto& known : image.names) {
      if (known == name.str()) return name.familiar();
    }
  } catch (const Error&) {
    // The beginning of an id is no name.
  }
  return typed;
}

// Stands for whoever the caller is inside, until the maps are known.
constexpr const char* kKeptUser = "keep-id";

std::string kept_user(const runtime::ContainerSpec& spec) {
  const auto inside = [](const os::IdMap& map) { return os::id_to_inside(map, 0).value_or(0); };
  return fmt::format("{}:{}", inside(spec.uids), inside(spec.gids));
}

ContainerRecord make_record(const Containers& containers, const RunOptions& options, const std::string& id,
                            const store::StoredImage& image) {
  ContainerRecord record;
  record.id = id;
  record.name = options.name.value_or("");
  if (options.name) {
    containers.claim(record.name, id);
  } else {
    record.name = containers.claim_new_name(id);
  }
  record.image = image_title(options.words.front(), image);
  record.image_id = image.id.str();
  if (image.top_layer) record.top_layer = image.top_layer->str();
  record.created = format_rfc3339(now());
  return record;
}

// What `inspect` tells of the request, beside what decides.
void note_request(const RunOptions& options, ContainerRecord& record) {
  std::string line = os::read_file("/proc/self/cmdline", 1 << 20);
  if (!line.empty()) line.pop_back();
  record.create_command = split(line, '\0');
  record.group_add = options.group_add;
  record.security_options = options.security_opt;
  record.cap_add = options.cap_add;
  record.cap_drop = options.cap_drop;
  record.dns = options.dns;
  record.dns_search = options.dns_search;
  record.dns_options = options.dns_option;
  record.add_hosts = options.add_host;
  record.device_options = options.device;
  record.ulimits = options.ulimit;
  record.publish_all = options.publish_all;
  record.cid_file = options.cidfile.value_or("");
  const auto note = [&](const char* kind, const std::optional<std::string>& mode) {
    if (mode) record.modes[kind] = *mode;
  };
  note("pid", options.pid);
  note("ipc", options.ipc);
  note("uts", options.uts);
  note("cgroup", options.cgroupns);
  note("userns", options.userns);
}

// What was begun is taken away again when something throws before the monitor has it.
void undo(const Containers& containers, Container& container, const ContainerRecord& record) noexcept {
  try {
    if (auto store = store::Store::try_open(containers.paths().data)) {
      for (std::size_t i = 0; i < record.prepared.size(); ++i) store::remove_use(*store, mount_use(container.id(), i));
    }
    containers.remove(container, record.name);
    remove_volumes(containers, record);
  } catch (const std::exception&) {
    // The next command sweeps it.
  }
}

}  // namespace

monitor::MonitorPlan plan_container(const Containers& containers, const RunOptions& options) {
  const std::string id = random_hex(32);
  if (options.name) spec::check_object_name("container", *options.name);
  containers.sweep();
  ContainerRecord record;
  auto staged = containers.stage(id);
  Container& container = staged.first;
  Defer cleanup([&] { undo(containers, container, record); });
  ImageChoice image = choose_image(containers, options, id);
  record = make_record(containers, options, id, image.image);
  record.user = options.user.value_or(image.config.user);
  // Who keeps his id wants to be himself.
  if (record.user.empty() && options.userns.value_or("").starts_with("keep-id")) record.user = kKeptUser;
  note_request(options, record);
  for (const char* folder : {"bundle", "bundle/rootfs", "upper", "work"}) {
    os::store_call::make_dir(folder, container.fd());
  }
  // The root directory of the container is the upper's, for every user in it, whatever our umask is.
  if (::fchmodat(container.fd(), "upper", 0755, 0) < 0) throw system_error("chmod upper");

  runtime::ContainerSpec spec;
  merge_lifecycle(options, image.config, record);
  merge_health(options, image.config, record);
  merge_process(options, image.config, record, spec);
  merge_namespaces(containers, options, record, spec);
  if (record.user == kKeptUser) record.user = kept_user(spec);
  merge_security(options, record, spec);
  if (options.domainname) spec.domainname = *options.domainname;
  if (std::find(options.group_add.begin(), options.group_add.end(), "keep-groups") != options.group_add.end()) {
    if (options.group_add.size() > 1) {
      throw Error(ErrorCode::InvalidArgument, "--group-add keep-groups cannot go with other groups");
    }
    spec.annotations["run.oci.keep_original_groups"] = "1";
  }
  for (const auto& text : options.required) {
    for (const auto& name : split(text, ',')) {
      if (!name.empty()) record.required.push_back(containers.get(name).id());
    }
  }
  merge_limits(options, record, spec);
  merge_ports(options, image.config, record);
  auto mounts = merge_mounts(containers, options, image.config, record, spec);
  const os::Path final_path = os::join(os::join(containers.paths().data, "containers"), id);
  write_secrets(containers, container, final_path, options, record, spec);
  write_network_files(container, final_path, options, record, spec);
  container.write_record(record);
  const pid_t joined = resolve_joins(containers, record).monitor;

  monitor::MonitorPlan plan{containers, std::move(container), std::move(staged.second), std::move(record)};
  cleanup.dismiss();
  plan.user_namespace_of = joined;
  plan.lowers = std::move(image.lowers);
  plan.spec = std::move(spec);
  plan.user = plan.record.user;
  for (const auto& group : options.group_add) {
    if (group != "keep-groups") plan.group_add.push_back(group);
  }
  plan.new_volumes = std::move(mounts.new_volumes);
  plan.give_away = std::move(mounts.give_away);
  if (const char* term = ::getenv("TERM")) plan.terminal_type = term;
  if (options.tty && os::is_terminal(STDIN_FILENO)) plan.size = os::window_size(STDIN_FILENO);
  return plan;
}

}  // namespace proa::engine
