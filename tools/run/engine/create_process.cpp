// What runs in the container: command, environment, user; and what the monitor does around it.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/mode.h"
#include "libcommon/network/ports.h"
#include "libcommon/os/file.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "tools/run/engine/create.h"

namespace proa::engine {
namespace {

constexpr std::uint64_t kMaxListFile = 1 << 20;

std::string read_list_file(const std::string& path) {
  return os::read_fd(os::open_regular(path, kMaxListFile).get(), kMaxListFile, path);
}

// A JSON array, or one word.
std::vector<std::string> entrypoint_words(const std::string& text) {
  if (text.empty()) return {};
  if (text.front() == '[') {
    try {
      return read_json(text).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--entrypoint: '{}' is no JSON array of words", text));
    }
  }
  return {text};
}

void choose_command(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record,
                    runtime::ContainerSpec& spec) {
  const std::vector<std::string> words(options.words.begin() + 1, options.words.end());
  if (options.entrypoint) {
    record.entrypoint = entrypoint_words(*options.entrypoint);
    record.command = words;  // the image's own arguments belong to its own entrypoint
  } else {
    record.entrypoint = image.entrypoint.value_or(std::vector<std::string>{});
    record.command = words.empty() ? image.cmd.value_or(std::vector<std::string>{}) : words;
  }
  spec.args = record.entrypoint;
  spec.args.insert(spec.args.end(), record.command.begin(), record.command.end());
  if (spec.args.empty()) {
    throw Error(ErrorCode::InvalidArgument, "the image names no command",
                fmt::format("say what to run: `proa run {} COMMAND`", record.image));
  }
}

// --env-merge NAME=TEXT: "${NAME}" in the text is what the variable was.
std::string merged_variable(const std::string& text, const std::vector<std::string>& env) {
  const auto pair = cut(text, "=");
  if (!pair || pair->first.empty()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--env-merge={}: not NAME=VALUE", text));
  }
  std::string merged(text);
  for (const auto& entry : env) {
    const auto known = cut(entry, "=");
    if (known) merged = replace_all(merged, fmt::format("${{{}}}", known->first), known->second);
  }
  return merged;
}

// --tz: the name of a zone, or "local" for that of this machine.
std::string time_zone(const std::string& text) {
  if (text != "local") return text;
  constexpr std::string_view kZones = "zoneinfo/";
  try {
    const std::string link = os::read_link("/etc/localtime");
    if (const auto at = link.find(kZones); at != std::string::npos) return link.substr(at + kZones.size());
  } catch (const Error&) {
    // No link: universal time, or a copy of a zone without its name.
  }
  return "UTC";
}

std::vector<std::string> environment_of(const RunOptions& options, const oci::ImageConfig& image) {
  std::vector<std::string> env;
  // Names without a value would take the caller's (CVE-2026-57231): an image has no say in that.
  for (const auto& entry : options.unsetenv_all ? std::vector<std::string>() : image.env) {
    if (entry.find('=') != std::string::npos && entry.front() != '=') env.push_back(entry);
  }
  const spec::Lookup lookup = spec::lookup_process_environment;
  if (options.env_host) {
    for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  }
  if (options.http_proxy) {
    for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                             "FTP_PROXY", "NO_PROXY", "all_proxy", "ALL_PROXY"}) {
      if (const auto value = lookup(name)) env.push_back(fmt::format("{}={}", name, *value));
    }
  }
  std::vector<std::string> from_files;
  for (const auto& file : options.env_file) {
    const auto lines = spec::parse_env_file(read_list_file(file), file, lookup);
    from_files.insert(from_files.end(), lines.begin(), lines.end());
  }
  const auto asked = spec::collect_env(from_files, options.env, lookup);
  env.insert(env.end(), asked.begin(), asked.end());
  for (const auto& text : options.env_merge) env.push_back(merged_variable(text, env));
  for (const auto& name : options.unsetenv) {
    std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  }
  if (options.tz) env.push_back("TZ=" + time_zone(*options.tz));
  return env;
}

void add_labels(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record) {
  for (const auto& [key, value] : image.labels) record.labels[key] = value;
  for (const auto& file : options.label_file) {
    for (auto& label : spec::parse_label_file(read_list_file(file), file)) record.labels[label.key] = label.value;
  }
  for (const auto& text : options.label) {
    auto label = spec::parse_label(text);
    record.labels[label.key] = label.value;
  }
}

}  // namespace

void merge_restart(const std::string& text, ContainerRecord& record) {
  const auto parts = cut(text, ":");
  record.restart_policy = parts ? std::string(parts->first) : text;
  record.restart_limit = 0;
  if (record.restart_policy.empty()) record.restart_policy = "no";
  if (parts) {
    const auto limit = parse_integer<int>(parts->second);
    if (record.restart_policy != "on-failure" || !limit || *limit < 0) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--restart={}: only on-failure takes a number", text));
    }
    record.restart_limit = *limit;
  }
  for (const char* known : {"no", "never", "on-failure", "always", "unless-stopped"}) {
    if (record.restart_policy == known) return;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("--restart={}: unknown policy", text),
              "use no, on-failure[:MAX], always or unless-stopped");
}

void merge_process(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record,
                   runtime::ContainerSpec& spec) {
  choose_command(options, image, record, spec);
  spec.env = environment_of(options, image);
  spec.cwd = options.workdir.value_or(image.working_dir.empty() ? "/" : image.working_dir);
  if (options.workdir && !spec.cwd.starts_with('/')) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--workdir={}: not an absolute path", spec.cwd));
  }
  if (!spec.cwd.starts_with('/')) spec.cwd.insert(0, "/");
  record.terminal = spec.terminal = options.tty;
  record.stdin_open = options.interactive;
  record.init = options.init;
  if (options.umask) {
    spec.umask = parse_integer<std::uint32_t>(*options.umask, 8);
    if (!spec.umask || *spec.umask > 0777) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--umask={}: not an octal mode", *options.umask));
    }
  }
  add_labels(options, image, record);
  for (const auto& text : options.annotation) {
    auto annotation = spec::parse_label(text);
    spec.annotations[annotation.key] = annotation.value;
  }
}

namespace {

void merge_log_option(const std::string& text, ContainerRecord& record) {
  const auto pair = cut(text, "=");
  const std::string key(pair ? pair->first : std::string_view(text));
  const std::string value(pair ? pair->second : std::string_view());
  static const std::vector<std::string> passed_over = {"labels", "labels-regex",    "env",  "env-regex", "compress",
                                                       "mode",   "max-buffer-size", "label"};
  if (!pair) throw Error(ErrorCode::InvalidArgument, fmt::format("--log-opt={}: not NAME=VALUE", text));
  if (key == "max-size") {
    const auto size = value == "-1" ? std::optional<std::int64_t>(0) : parse_size_1024(value);
    if (!size || *size < 0) throw Error(ErrorCode::InvalidArgument, fmt::format("--log-opt={}: not a size", text));
    record.log_max_size = *size;
  } else if (key == "max-file") {
    const auto count = parse_integer<int>(value);
    if (!count || *count < 1) throw Error(ErrorCode::InvalidArgument, fmt::format("--log-opt={}: not a number", text));
    record.log_max_files = *count;
  } else if (key == "tag") {
    record.log_tag = value;
  } else if (std::find(passed_over.begin(), passed_over.end(), key) == passed_over.end()) {
    throw Error(ErrorCode::Unsupported, fmt::format("--log-opt={}: the log has no such option", text),
                "known: max-size, max-file, tag");
  }
}

void merge_log(const RunOptions& options, ContainerRecord& record) {
  static const std::vector<std::string> known = {"", "k8s-file", "json-file", "local", "none"};
  if (std::find(known.begin(), known.end(), options.log_driver) == known.end()) {
    throw Error(ErrorCode::Unsupported, fmt::format("--log-driver={} is not supported", options.log_driver),
                "use k8s-file, json-file or none; journald comes later");
  }
  if (!options.log_driver.empty()) record.log_driver = options.log_driver;
  for (const auto& text : options.log_opt) merge_log_option(text, record);
}

}  // namespace

void merge_lifecycle(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record) {
  record.auto_remove = options.rm || options.rmi;
  record.remove_image = options.rmi;
  record.preserved_fds = options.preserve_fds;
  if (options.preserve_fds < 0 || options.preserve_fds > 1000) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--preserve-fds={}: not from 0 to 1000", options.preserve_fds));
  }
  record.runtime = options.runtime.value_or("");
  if (record.runtime == "proa" || record.runtime == "builtin") record.runtime.clear();
  if (options.stop_signal && !parse_signal(*options.stop_signal)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--stop-signal={}: no such signal", *options.stop_signal));
  }
  const std::string& wanted = options.stop_signal ? *options.stop_signal : image.stop_signal;
  if (const auto signal = parse_signal(wanted)) record.stop_signal = signal_name(*signal);
  record.stop_timeout = options.stop_timeout.value_or(10);
  record.timeout = options.timeout;
  if (options.timeout < 0) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--timeout={}: not a number of seconds", options.timeout));
  }
  if (options.restart) merge_restart(*options.restart, record);
  if (record.auto_remove && record.restart_policy != "no" && record.restart_policy != "never") {
    throw Error(ErrorCode::InvalidArgument, "--rm and --restart contradict each other");
  }
  if (options.pidfile) {
    record.pid_file = options.pidfile->starts_with('/') ? *options.pidfile
                                                        : os::join(os::read_link("/proc/self/cwd"), *options.pidfile);
  }
  merge_log(options, record);
}

void merge_ports(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record) {
  std::vector<spec::PortMapping> ports, exposed;
  for (const auto& text : options.publish) {
    const auto parsed = spec::parse_publish(text);
    ports.insert(ports.end(), parsed.begin(), parsed.end());
  }
  auto expose = [&](const std::string& text) {
    const auto parsed = spec::parse_expose(text);
    exposed.insert(exposed.end(), parsed.begin(), parsed.end());
  };
  for (const auto& text : options.expose) expose(text);
  for (const auto& text : image.exposed_ports) {
    try {
      expose(text);
    } catch (const Error&) {
      // An image may hold anything there; it is a remark, not an order.
    }
  }
  for (const auto& port : exposed) record.exposed.push_back(port.container_text());
  if (options.publish_all) {
    for (auto port : exposed) {
      port.host_ip.clear();
      port.host_ports = {};
      ports.push_back(port);
    }
  }
  if (ports.empty()) return;
  if (network::parse_mode(record.network).kind != network::Mode::Kind::User) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("ports cannot be published with --network {}", record.network),
                record.network == "host" ? "the container uses the host's ports directly: leave -p out"
                                         : "publish them on the container that has the network");
  }
  record.ports = network::choose_host_ports(std::move(ports));
}

}  // namespace proa::engine
