#include "tools/build/steps/metadata.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/ignore.h"

namespace proa::build {
namespace {

void add_once(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) != list.end()) return;
  list.push_back(value);
  std::sort(list.begin(), list.end());
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words)
    quoted.push_back("\"" + replace_all(replace_all(word, "\\", "\\\\"), "\"", "\\\"") + "\"");
  return "[" + join(quoted, " ") + "]";
}

class Editor {
 public:
  explicit Editor(StageState& state) : state_(state), config_(state.config) {}

  std::optional<std::string> operator()(const Env& env) {
    // All values are expanded by the environment before this instruction.
    std::vector<std::string> before = config_.env, texts;
    for (const KeyValue& pair : env.pairs) {
      std::string key = state_.scope.expand_word(pair.key, before);
      std::string value = state_.scope.expand_word(pair.value, before);
      set_env(config_.env, key, value);
      texts.push_back(key + "=" + value);
    }
    return "ENV " + join(texts, " ");
  }
  std::optional<std::string> operator()(const Label& label) {
    std::vector<std::string> texts;
    for (const KeyValue& pair : label.pairs) {
      std::string key = word(pair.key), value = word(pair.value);
      config_.labels[key] = value;
      texts.push_back(key + "=" + value);
    }
    return "LABEL " + join(texts, " ");
  }
  std::optional<std::string> operator()(const Maintainer& maintainer) {
    config_.author = maintainer.name;
    return "MAINTAINER " + maintainer.name;
  }
  std::optional<std::string> operator()(const Cmd& cmd) {
    config_.cmd = command_of(cmd.command, config_);
    config_.args_escaped = std::nullopt;
    state_.cmd_set = true;
    return "CMD " + quoted_list(*config_.cmd);
  }
  std::optional<std::string> operator()(const Entrypoint& entrypoint) {
    config_.entrypoint = command_of(entrypoint.command, config_);
    if (config_.entrypoint->empty()) config_.entrypoint = std::nullopt;
    // The base image's CMD was meant for the base image's ENTRYPOINT.
    if (!state_.cmd_set) config_.cmd = std::nullopt;
    return "ENTRYPOINT " + quoted_list(config_.entrypoint.value_or(std::vector<std::string>()));
  }
  std::optional<std::string> operator()(const Healthcheck& health) {
    config_.healthcheck = oci::HealthConfig{.test = health.test,
                                            .interval = health.interval,
                                            .timeout = health.timeout,
                                            .start_period = health.start_period,
                                            .start_interval = health.start_interval,
                                            .retries = health.retries};
    return "HEALTHCHECK " + quoted_list(health.test);
  }
  std::optional<std::string> operator()(const Expose& expose) {
    std::vector<std::string> words;
    for (const std::string& port : expose.ports) {
      for (std::string& part : state_.scope.expand_words(port, config_.env)) words.push_back(std::move(part));
    }
    std::vector<std::string> ports = expand_ports(words);
    for (const std::string& port : ports) add_once(config_.exposed_ports, port);
    return "EXPOSE " + join(ports, " ");
  }
  std::optional<std::string> operator()(const User& user) {
    config_.user = word(user.user);
    return "USER " + config_.user;
  }
  std::optional<std::string> operator()(const Volume& volume) {
    std::vector<std::string> paths;
    for (const std::string& path : volume.paths) {
      paths.push_back(word(path));
      if (paths.back().empty()) throw Error(ErrorCode::InvalidArgument, "VOLUME specified can not be an empty string");
      add_once(config_.volumes, paths.back());
    }
    return "VOLUME " + quoted_list(paths);
  }
  std::optional<std::string> operator()(const StopSignal& stop) {
    std::string signal = word(stop.signal);
    if (!parse_signal(signal)) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("invalid signal: {}", escape_control(signal)));
    }
    config_.stop_signal = signal;
    return "STOPSIGNAL " + signal;
  }
  std::optional<std::string> operator()(const Arg& arg) {
    state_.scope.declare(arg, config_.env);
    // Only the names: values may be secrets, and a history is public.
    std::vector<std::string> keys;
    for (const ArgItem& item : arg.items) keys.push_back(item.key);
    return "ARG " + join(keys, " ");
  }
  std::optional<std::string> operator()(const Shell& shell) {
    config_.shell = shell.words;
    return "SHELL " + quoted_list(shell.words);
  }
  std::optional<std::string> operator()(const OnBuild& onbuild) {
    config_.on_build.push_back(onbuild.expression);
    return "ONBUILD " + onbuild.expression;
  }
  template <typename Other>
  std::optional<std::string> operator()(const Other&) {
    return std::nullopt;
  }

 private:
  std::string word(std::string_view text) const { return state_.scope.expand_word(text, config_.env); }

  StageState& state_;
  oci::ImageConfig& config_;
};

}  // namespace

std::optional<std::string> apply_metadata(const Instruction& instruction, StageState& state) {
  return std::visit(Editor(state), instruction.meaning);
}

std::string join_workdir(const std::string& present, const std::string& path) {
  if (path.starts_with('/')) return clean_path(path);
  return clean_path((present.empty() ? "/" : present) + "/" + path);
}

std::vector<std::string> shell_of(const oci::ImageConfig& config) {
  return config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
}

std::vector<std::string> command_of(const CommandLine& command, const oci::ImageConfig& config) {
  if (!command.shell || command.words.empty()) return command.words;
  std::vector<std::string> result = shell_of(config);
  result.insert(result.end(), command.words.begin(), command.words.end());
  return result;
}

}  // namespace proa::build
