#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/env_file.h"
#include "tools/build/containerfile/instruction.h"
#include "tools/build/graph/scope.h"
#include "tools/build/refuse.h"
#include "tools/build/steps/metadata.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

struct ConfigOptions : PlaceOptions {
  std::vector<std::string> positionals, annotations, env, labels, ports, volumes, on_build, unset_labels;
  std::vector<std::string> unset_annotations;
  std::optional<std::string> author, cmd, entrypoint, user, workdir, stop_signal, shell, arch, os, variant, healthcheck;
  std::string interval, timeout, start_period, start_interval, retries, created_by, moot_value;
  bool add_history = false;
};

// Words as a shell would have them; JSON arrays are taken as they are.
std::vector<std::string> words_of(const std::string& text) {
  if (auto list = detail::parse_json_strings(text)) return *list;
  std::vector<std::string> words;
  for (const std::string& word : detail::split_words(text, '\\')) words.push_back(expand(word, {}).text);
  return words;
}

// "-" takes all away, "name-" one; anything else is added.
void edit_list(std::vector<std::string>& list, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    if (change == "-") {
      list.clear();
    } else if (change.ends_with('-')) {
      std::erase(list, change.substr(0, change.size() - 1));
    } else if (std::find(list.begin(), list.end(), change) == list.end()) {
      list.push_back(change);
    }
  }
  std::sort(list.begin(), list.end());
}

void edit_map(std::map<std::string, std::string>& map, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    auto pair = cut(change, "=");
    if (change == "-") {
      map.clear();
    } else if (!pair && change.ends_with('-')) {
      map.erase(change.substr(0, change.size() - 1));
    } else {
      map[std::string(pair ? pair->first : std::string_view(change))] = pair ? pair->second : std::string_view();
    }
  }
}

void edit_env(std::vector<std::string>& env, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    auto pair = cut(change, "=");
    if (change == "-") {
      env.clear();
    } else if (!pair && change.ends_with('-')) {
      std::string key = change.substr(0, change.size() - 1) + "=";
      std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(key); });
    } else {
      std::string entry = spec::parse_env(change, spec::lookup_process_environment);
      auto given = cut(entry, "=");
      if (!given) fail(fmt::format("--env {}: must be KEY=VALUE", escape_control(change)));
      set_env(env, std::string(given->first), std::string(given->second));
    }
  }
}

void edit_health(const ConfigOptions& options, oci::ImageConfig& config) {
  auto set = [&](const char* flag, const std::string& text, std::int64_t& target) {
    if (!text.empty()) target = parse_health_interval(flag, text);
  };
  bool timing = !options.interval.empty() || !options.timeout.empty() || !options.start_period.empty() ||
                !options.start_interval.empty() || !options.retries.empty();
  if (!options.healthcheck && !timing) return;
  oci::HealthConfig health = config.healthcheck.value_or(oci::HealthConfig{});
  if (options.healthcheck) {
    std::string text(trim(*options.healthcheck));
    if (text.empty() || text == "NONE") {
      health.test = text.empty() ? std::vector<std::string>() : std::vector<std::string>{"NONE"};
    } else if (text.starts_with("CMD-SHELL ")) {
      health.test = {"CMD-SHELL", text.substr(10)};
    } else {
      health.test = words_of(text.starts_with("CMD ") ? text.substr(4) : text);
      health.test.insert(health.test.begin(), "CMD");
    }
  }
  set("healthcheck-interval", options.interval, health.interval);
  set("healthcheck-timeout", options.timeout, health.timeout);
  set("healthcheck-start-period", options.start_period, health.start_period);
  set("healthcheck-start-interval", options.start_interval, health.start_interval);
  if (!options.retries.empty()) {
    auto retries = parse_integer<int>(options.retries);
    if (!retries || *retries < 0) fail("--healthcheck-retries takes a number");
    health.retries = *retries;
  }
  config.healthcheck = std::move(health);
}

void edit_process(const ConfigOptions& options, oci::ImageConfig& config) {
  if (options.entrypoint) {
    // As an exec list when it is one, else for the shell; the old CMD was meant for the old entrypoint.
    if (auto list = detail::parse_json_strings(*options.entrypoint)) {
      config.entrypoint = *list;
    } else if (options.entrypoint->empty()) {
      config.entrypoint = std::nullopt;
    } else {
      config.entrypoint = {"/bin/sh", "-c", *options.entrypoint};
    }
    if (!options.cmd) config.cmd = std::nullopt;
  }
  if (options.cmd) config.cmd = words_of(*options.cmd);
  if (options.shell) config.shell = words_of(*options.shell);
  if (options.user) config.user = *options.user;
  if (options.workdir) config.working_dir = join_workdir(config.working_dir, *options.workdir);
  if (options.stop_signal) {
    if (!parse_signal(*options.stop_signal))
      fail(fmt::format("invalid signal: {}", escape_control(*options.stop_signal)));
    config.stop_signal = *options.stop_signal;
  }
}

cli::ExitCode configure(cli::Context&, const ConfigOptions& options) {
  WorkSession work(options);
  WorkingContainer& container = work.open(options.positionals[0]);
  oci::ImageConfig& config = container.config;
  edit_process(options, config);
  edit_health(options, config);
  edit_env(config.env, options.env);
  edit_map(config.labels, options.labels);
  for (const std::string& key : options.unset_labels) config.labels.erase(key);
  edit_map(container.annotations, options.annotations);
  for (const std::string& key : options.unset_annotations) container.annotations.erase(key);
  std::vector<std::string> ports;
  for (const std::string& port : options.ports) {
    for (std::string& one : port.ends_with('-') ? std::vector{port} : expand_ports({port}))
      ports.push_back(std::move(one));
  }
  edit_list(config.exposed_ports, ports);
  edit_list(config.volumes, options.volumes);
  config.on_build.insert(config.on_build.end(), options.on_build.begin(), options.on_build.end());
  if (options.author) config.author = *options.author;
  if (options.arch) config.platform.architecture = *options.arch;
  if (options.os) config.platform.os = *options.os;
  if (options.variant) config.platform.variant = *options.variant;
  work.add_history(options.add_history, options.created_by.empty() ? "/bin/sh -c #(nop) config" : options.created_by);
  work.save();
  return 0;
}

}  // namespace

cli::Command config_command() {
  using O = ConfigOptions;
  auto builder = cli::command<O>("config", "Change the configuration of the image to come");
  builder.positionals("CONTAINER", &O::positionals, 1, 1)
      .value("annotation,a", &O::annotations, "Annotation; KEY- takes one away, - all", "KEY=VALUE")
      .value("author", &O::author, "Author of the image", "NAME")
      .value("arch", &O::arch, "Architecture", "ARCH")
      .value("os", &O::os, "Operating system", "OS")
      .value("variant", &O::variant, "Variant of the architecture", "VARIANT")
      .value("cmd", &O::cmd, "Default command", "COMMAND")
      .value("entrypoint", &O::entrypoint, "Entrypoint: a JSON array, or text for a shell", "COMMAND")
      .value("env,e", &O::env, "Variable; KEY- takes one away, - all", "KEY=VALUE")
      .value("label,l", &O::labels, "Label; KEY- takes one away, - all", "KEY=VALUE")
      .value("port,p", &O::ports, "Port; PORT- takes one away, - all", "PORT")
      .value("volume,v", &O::volumes, "Volume; PATH- takes one away, - all", "PATH")
      .value("onbuild", &O::on_build, "Instruction for images on top of this one", "INSTRUCTION")
      .value("user,u", &O::user, "User of the command", "USER[:GROUP]")
      .value("workingdir", &O::workdir, "Folder that the command starts in", "PATH")
      .value("shell", &O::shell, "Shell of RUN", "SHELL")
      .value("stop-signal", &O::stop_signal, "Signal that ends a container", "SIGNAL")
      .value("healthcheck", &O::healthcheck, "NONE, CMD COMMAND or CMD-SHELL TEXT", "COMMAND")
      .value("healthcheck-interval", &O::interval, "Time between checks", "DURATION")
      .value("healthcheck-timeout", &O::timeout, "Time for one check", "DURATION")
      .value("healthcheck-start-period", &O::start_period, "Time to start in", "DURATION")
      .value("healthcheck-start-interval", &O::start_interval, "Time between checks while it starts", "DURATION")
      .value("healthcheck-retries", &O::retries, "Failures that make it unhealthy", "N")
      .value("unsetlabel", &O::unset_labels, "Take a label away", "KEY")
      .value("unsetannotation", &O::unset_annotations, "Take an annotation away", "KEY")
      .value("created-by", &O::created_by, "Text for the history", "TEXT")
      .flag("add-history", &O::add_history, "Add this to the image's history")
      .with(declare_places<O>);
  for (const char* name : {"comment", "history-comment", "domainname", "hostname", "os-feature", "os-version"}) {
    builder.value(name, &O::moot_value, "Accepted for compatibility", "VALUE").hide_last();
  }
  return builder.runs(configure);
}

}  // namespace proa::build
