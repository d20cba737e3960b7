#include "tools/build/check/stage_check.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

void StageCheck::start(const std::string& base, const StageCheck* below) {
  if (below != nullptr) {
    variables_ = below->variables_;
    declared_ = below->declared_;
    environment_known_ = below->environment_known_;
    workdir_set_ = below->workdir_set_;
    shell_set_ = below->shell_set_;
    return;
  }
  variables_["PATH"] = "";
  if (base == "scratch") return;
  auto env = options_.image_env ? options_.image_env(base) : std::nullopt;
  environment_known_ = env.has_value();
  for (const std::string& entry : env.value_or(std::vector<std::string>())) {
    if (auto pair = cut(entry, "=")) variables_[std::string(pair->first)] = pair->second;
  }
}

void StageCheck::check(const Node& node, const Instruction& instruction) {
  const Meaning& meaning = instruction.meaning;
  if (const auto* arg = std::get_if<Arg>(&meaning)) return declare(node, *arg);
  if (const auto* env = std::get_if<Env>(&meaning)) {
    check_pairs(node, env->pairs, "ENV");
    return set(node, env->pairs);
  }
  if (const auto* label = std::get_if<Label>(&meaning)) return check_pairs(node, label->pairs, "LABEL");
  if (const auto* cmd = std::get_if<Cmd>(&meaning)) return check_command(node, cmd->command, "CMD");
  if (const auto* entry = std::get_if<Entrypoint>(&meaning)) return check_command(node, entry->command, "ENTRYPOINT");
  if (std::holds_alternative<Healthcheck>(meaning)) return check_once(node, "HEALTHCHECK");
  if (std::holds_alternative<Shell>(meaning)) shell_set_ = true;
  if (const auto* transfer = std::get_if<Transfer>(&meaning)) return check_transfer(node, *transfer);
  if (const auto* workdir = std::get_if<WorkDir>(&meaning)) return check_workdir(node, *workdir);
  if (const auto* user = std::get_if<User>(&meaning)) return check_words(node, {user->user});
  if (const auto* volume = std::get_if<Volume>(&meaning)) return check_words(node, volume->paths);
  if (const auto* stop = std::get_if<StopSignal>(&meaning)) return check_words(node, {stop->signal});
  if (const auto* expose = std::get_if<Expose>(&meaning)) return check_ports(node, *expose);
}

void StageCheck::declare(const Node& node, const Arg& arg) {
  for (const ArgItem& item : arg.items) {
    if (sounds_secret(item.key)) {
      warn_(node, "SecretsUsedInArgOrEnv",
            fmt::format("Do not use ARG or ENV instructions for sensitive data (ARG \"{}\")", item.key));
    }
    if (item.value) check_words(node, {*item.value});
    declared_.push_back(item.key);
    auto given = options_.build_args.find(item.key);
    auto global = globals_.find(item.key);
    if (given != options_.build_args.end()) {
      variables_[item.key] = given->second;
    } else if (item.value) {
      variables_[item.key] = *item.value;
    } else if (global != globals_.end()) {
      variables_[item.key] = global->second;
    }
  }
}

void StageCheck::set(const Node& node, const std::vector<KeyValue>& pairs) {
  for (const KeyValue& pair : pairs) {
    if (sounds_secret(pair.key)) {
      warn_(node, "SecretsUsedInArgOrEnv",
            fmt::format("Do not use ARG or ENV instructions for sensitive data (ENV \"{}\")", pair.key));
    }
    variables_[pair.key] = pair.value;
  }
}

void StageCheck::check_words(const Node& node, const std::vector<std::string>& words) {
  if (!environment_known_) return;
  for (const std::string& word : words) {
    Expansion expansion;
    try {
      expansion = expand(word, variables_, expand_options_);
    } catch (const Error&) {
      continue;  // "${v:?message}" and mistakes: the build says so
    }
    for (const std::string& name : expansion.unmatched) {
      if (std::find(declared_.begin(), declared_.end(), name) != declared_.end()) continue;
      std::vector<std::string> known = declared_;
      for (const auto& [key, value] : variables_) known.push_back(key);
      auto near = nearest(name, known);
      warn_(node, "UndefinedVar",
            fmt::format("Usage of undefined variable '${}'{}", name,
                        near ? fmt::format(" (did you mean ${}?)", *near) : ""));
    }
  }
}

// Of these the last one counts: the one before it is of no use.
void StageCheck::check_once(const Node& node, const std::string& name) {
  auto before = used_.find(name);
  if (before != used_.end()) {
    warn_(before->second, "MultipleInstructionsDisallowed",
          fmt::format(
              "Multiple {} instructions should not be used in the same stage because only the last one will be used",
              name));
  }
  used_.insert_or_assign(name, node);
}

void StageCheck::check_pairs(const Node& node, const std::vector<KeyValue>& pairs, const char* name) {
  for (const KeyValue& pair : pairs) {
    if (pair.old_form) {
      warn_(node, "LegacyKeyValueFormat",
            fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format", name));
    }
    check_words(node, {pair.key, pair.value});
  }
}

void StageCheck::check_command(const Node& node, const CommandLine& command, const char* name) {
  check_once(node, name);
  // Who chose a shell wants it.
  if (!command.shell || shell_set_) return;
  warn_(node, "JSONArgsRecommended",
        fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS signals", name));
}

void StageCheck::check_transfer(const Node& node, const Transfer& transfer) {
  std::vector<std::string> words = transfer.sources;
  words.push_back(transfer.destination);
  words.insert(words.end(), {transfer.chown, transfer.chmod});
  check_words(node, words);
  if (options_.ignored == nullptr || !transfer.from.empty()) return;
  for (const std::string& source : transfer.sources) {
    std::string path = clean_path("/" + source).substr(1);
    if (path.empty() || is_pattern(source) || source.find("://") != std::string::npos) continue;
    if (options_.ignored->ignores(path)) {
      warn_(node, "CopyIgnoredFile",
            fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore", transfer.add ? "Add" : "Copy",
                        source));
    }
  }
}

void StageCheck::check_workdir(const Node& node, const WorkDir& workdir) {
  check_words(node, {workdir.path});
  std::string path;
  try {
    path = expand(workdir.path, variables_, expand_options_).text;
  } catch (const Error&) {
    return;
  }
  if (!path.starts_with('/') && !workdir_set_) {
    warn_(node, "WorkdirRelativePath",
          fmt::format("Relative workdir \"{}\" can have unexpected results if the base image changes", workdir.path));
  }
  workdir_set_ = workdir_set_ || path.starts_with('/');
}

void StageCheck::check_ports(const Node& node, const Expose& expose) {
  check_words(node, expose.ports);
  for (const std::string& port : expose.ports) {
    auto protocol = cut(port, "/");
    if (protocol && to_lower(protocol->second) != protocol->second) {
      warn_(node, "ExposeProtoCasing",
            fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port));
    }
    if (port.find(':') != std::string::npos) {
      warn_(node, "ExposeInvalidFormat",
            fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'", port));
    }
  }
}

}  // namespace proa::build
