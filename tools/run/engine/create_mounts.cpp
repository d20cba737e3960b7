// What the container sees of the host: binds, volumes, and the files of /etc that depend on the network.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/mode.h"
#include "libcommon/network/pasta.h"
#include "libcommon/os/file.h"
#include "libcommon/os/store_file.h"
#include "libcommon/runtime/etc_files.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/volumes.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/volumes.h"

namespace proa::engine {
namespace {

using Mounts = std::vector<std::pair<os::Path, std::string>>;

class MountMerger {
 public:
  MountMerger(const Containers& containers, ContainerRecord& record, runtime::ContainerSpec& spec)
      : volumes_(containers.paths()), record_(record), spec_(spec) {}

  void add(const spec::Mount& mount) {
    if (!targets_.insert(spec::clean_path(mount.target)).second) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("two mounts have the same destination {}", mount.target));
    }
    refuse_unknown(mount);
    switch (mount.type) {
      case spec::MountType::Bind:
        return add_bind(mount);
      case spec::MountType::Volume:
        return add_volume(mount);
      case spec::MountType::Tmpfs:
        return add_tmpfs(mount);
      case spec::MountType::Image:
        throw Error(ErrorCode::Unsupported, "--mount type=image is not supported yet", "use a volume or a bind");
    }
  }

  // VOLUME of an image: a volume of its own for each container, unless the user has put something there.
  void add_image_volume(const std::string& path) {
    const std::string target = spec::clean_path(path.starts_with('/') ? path : "/" + path);
    if (target == "/" || targets_.contains(target)) return;
    spec::Mount mount;
    mount.target = target;
    add(mount);
  }

  Mounts take_new_volumes() { return std::move(new_volumes_); }

 private:
  static void refuse_unknown(const spec::Mount& mount) {
    if (!mount.subpath.empty()) {
      throw Error(ErrorCode::Unsupported, "the mount option subpath is not supported yet", "mount the whole volume");
    }
    if (!mount.driver.empty() && mount.driver != "local") {
      throw Error(ErrorCode::Unsupported, fmt::format("the volume driver '{}' is not supported", mount.driver));
    }
    if (!mount.driver_options.empty()) {
      throw Error(ErrorCode::Unsupported, "options of volume drivers are not supported yet");
    }
    for (const auto& option : mount.options) {
      if (option == "U" || option == "O" || option.starts_with("upperdir=") || option.starts_with("idmap")) {
        throw Error(ErrorCode::Unsupported, fmt::format("the mount option {} is not supported yet", option));
      }
    }
  }

  void push(const spec::Mount& mount, const std::string& source, const char* type, const std::string& name) {
    runtime::MountRequest request;
    request.source = source;
    request.target = mount.target;
    request.read_only = mount.read_only;
    request.recursive = !mount.non_recursive;
    request.propagation = mount.propagation;
    for (const auto& option : mount.options) {
      // Labels of SELinux: nothing to do where it is not in force, as with the peers.
      if (option != "z" && option != "Z") request.options.push_back(option);
    }
    spec_.mounts.push_back(std::move(request));
    record_.mounts.push_back({type, name, source, mount.target, mount.read_only});
  }

  void add_bind(const spec::Mount& mount) {
    if (mount.source.empty()) throw Error(ErrorCode::InvalidArgument, "a bind mount needs a source");
    if (!os::try_stat(mount.source, AT_FDCWD, 0)) {
      if (!mount.create_source) {
        throw Error(ErrorCode::NotFound, fmt::format("cannot mount {}: no such file or directory", mount.source),
                    "make it first; a name without a slash means a volume");
      }
      os::make_dirs(mount.source, 0755);
    }
    push(mount, mount.source, "bind", "");
  }

  void add_volume(const spec::Mount& mount) {
    const bool anonymous = mount.source.empty();
    const std::string name = anonymous ? random_hex(32) : mount.source;
    auto [volume, is_new] = volumes_.find_or_create(name, anonymous, mount.labels);
    if (anonymous) record_.anonymous_volumes.push_back(name);
    if (is_new && !mount.no_copy) new_volumes_.emplace_back(volume.data, mount.target);
    push(mount, volume.data, "volume", name);
  }

  void add_tmpfs(const spec::Mount& mount) {
    runtime::MountRequest request;
    request.kind = runtime::MountRequest::Kind::Tmpfs;
    request.target = mount.target;
    request.read_only = mount.read_only;
    request.options = mount.options;
    if (mount.tmpfs_size) request.options.push_back(fmt::format("size={}", *mount.tmpfs_size));
    if (mount.tmpfs_mode) request.options.push_back(fmt::format("mode={:o}", *mount.tmpfs_mode));
    spec_.mounts.push_back(std::move(request));
    record_.mounts.push_back({"tmpfs", "", "", mount.target, mount.read_only});
  }

  Volumes volumes_;
  ContainerRecord& record_;
  runtime::ContainerSpec& spec_;
  std::set<std::string> targets_;
  Mounts new_volumes_;
};

std::size_t depth(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

// The address that pasta will give the container: that of the interface with the default route. Connecting a datagram
// socket sends nothing.
std::string outgoing_address() {
  const os::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  ::inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
  socklen_t size = sizeof address;
  char text[INET_ADDRSTRLEN];
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text) != nullptr) {
    return text;
  }
  return "127.0.1.1";
}

std::string hosts_file(const RunOptions& options, const ContainerRecord& record, network::Mode::Kind kind) {
  std::vector<runtime::HostsEntry> entries;
  for (const auto& text : options.add_host) {
    auto entry = spec::parse_add_host(text);
    if (entry.address == "host-gateway") {
      throw Error(ErrorCode::Unsupported, fmt::format("--add-host {}: host-gateway is not supported yet", text),
                  "the host's loopback is closed to containers; --network pasta:allow_host_loopback opens it at the "
                  "address of the gateway");
    }
    entries.push_back({entry.address, entry.names});
  }
  const std::string own = kind == network::Mode::Kind::User ? outgoing_address() : "127.0.1.1";
  std::vector<std::string> names{record.hostname};
  if (record.name != record.hostname) names.push_back(record.name);
  entries.push_back({own, names});
  return runtime::hosts_text(entries);
}

runtime::ResolvConf host_resolv_conf() {
  constexpr std::uint64_t kMax = 1 << 20;
  const auto parse = [](const char* path) {
    return runtime::parse_resolv_conf(os::try_read_file(path, kMax).value_or(""));
  };
  runtime::ResolvConf conf = parse("/etc/resolv.conf");
  // systemd-resolved listens on the host's loopback only; beside it stands what it asks itself.
  if (conf.nameservers == std::vector<std::string>{"127.0.0.53"}) {
    runtime::ResolvConf real = parse("/run/systemd/resolve/resolv.conf");
    if (!real.nameservers.empty()) return real;
  }
  return conf;
}

std::string resolv_conf_file(const RunOptions& options, ContainerRecord& record, network::Mode::Kind kind) {
  runtime::ResolvConf conf;
  if (kind != network::Mode::Kind::None) conf = host_resolv_conf();
  std::vector<std::string> asked;
  for (const auto& text : options.dns) asked.push_back(spec::parse_dns_server(text));
  if (kind == network::Mode::Kind::User) {
    auto plan = network::plan_dns(conf.nameservers, asked);
    conf.nameservers = std::move(plan.nameservers);
    record.dns_forward = std::move(plan.forward_to);
  } else if (!asked.empty()) {
    conf.nameservers = asked;
  }
  if (!options.dns_search.empty()) {
    conf.search.clear();
    for (const auto& text : options.dns_search) {
      if (auto domain = spec::parse_dns_search(text); domain != ".") conf.search.push_back(std::move(domain));
    }
  }
  if (!options.dns_option.empty()) conf.options = options.dns_option;
  return runtime::resolv_conf_text(conf);
}

std::string host_name() {
  char name[65] = {};
  if (::gethostname(name, sizeof name - 1) < 0) throw system_error("gethostname");
  return name;
}

}  // namespace

Mounts merge_mounts(const Containers& containers, const RunOptions& options, const oci::ImageConfig& image,
                    ContainerRecord& record, runtime::ContainerSpec& spec) {
  MountMerger merger(containers, record, spec);
  const std::string here = os::read_link("/proc/self/cwd");
  for (const auto& text : options.mount) merger.add(spec::parse_mount(text, here));
  for (const auto& text : options.volume) merger.add(spec::parse_volume(text, here));
  for (const auto& text : options.tmpfs) merger.add(spec::parse_tmpfs(text));
  for (const auto& path : image.volumes) merger.add_image_volume(path);
  // A mount below another one comes after it.
  std::stable_sort(spec.mounts.begin(), spec.mounts.end(),
                   [](const auto& a, const auto& b) { return depth(a.target) < depth(b.target); });
  return merger.take_new_volumes();
}

void write_network_files(const Container& container, const os::Path& final_path, const RunOptions& options,
                         ContainerRecord& record, runtime::ContainerSpec& spec) {
  const auto kind = network::parse_mode(record.network).kind;
  record.hostname = options.hostname                    ? spec::check_host_name(*options.hostname)
                    : kind == network::Mode::Kind::Host ? host_name()
                                                        : record.id.substr(0, 12);
  const bool own_uts = spec.uts.kind == runtime::NamespaceChoice::Kind::Private;
  if (own_uts) spec.hostname = record.hostname;
  if (!own_uts && options.hostname) {
    throw Error(ErrorCode::InvalidArgument, "--hostname needs a uts namespace of its own", "leave out --uts");
  }

  const auto provide = [&](const char* name, const std::string& text) {
    const std::string target = fmt::format("/etc/{}", name);
    const bool taken = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                   [&](const auto& mount) { return mount.target == target || mount.target == "/etc"; });
    if (taken) return;
    auto file = os::StoreFile::create(fmt::format("bundle/{}", name), container.fd(), 0644);
    if (::fchmod(file.fd(), 0644) < 0) throw system_error("fchmod");
    file.write(text);
    runtime::MountRequest mount;
    mount.source = fmt::format("{}/bundle/{}", final_path, name);
    mount.target = target;
    spec.mounts.insert(spec.mounts.begin(), std::move(mount));
  };
  if (!options.no_hosts) provide("hosts", hosts_file(options, record, kind));
  if (!options.no_hostname) provide("hostname", runtime::hostname_text(record.hostname));
  if (options.dns != std::vector<std::string>{"none"}) {
    provide("resolv.conf", resolv_conf_file(options, record, kind));
  }
}

}  // namespace proa::engine
