#include "tools/build/containerfile/instruction.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/spec/csv.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

using detail::FlagRule;
using Kind = detail::FlagRule::Kind;
using Values = std::map<std::string, std::vector<std::string>>;

const std::vector<std::string> kNames = {"ADD",    "ARG",   "CMD",         "COPY",  "ENTRYPOINT", "ENV",
                                         "EXPOSE", "FROM",  "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
                                         "RUN",    "SHELL", "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};

std::string value_of(const Values& values, const std::string& name) {
  auto found = values.find(name);
  return found == values.end() ? std::string() : found->second.back();
}
std::optional<bool> switch_of(const Values& values, const std::string& name) {
  auto found = values.find(name);
  return found == values.end() ? std::nullopt : std::optional(found->second.back() == "true");
}
std::vector<std::string> list_of(const Values& values, const std::string& name) {
  auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>() : found->second;
}

void no_flags(const Node& node) { detail::parse_flags(node.flags, {}); }

void at_least_one(const Node& node, std::string_view name) {
  if (node.args.empty() && !node.trigger) fail(fmt::format("{} requires at least one argument", name));
}
void exactly_one(const Node& node, std::string_view name) {
  if (node.args.size() != 1) fail(fmt::format("{} requires exactly one argument", name));
}

std::vector<KeyValue> parse_pairs(const Node& node, std::string_view name) {
  no_flags(node);
  at_least_one(node, name);
  std::vector<KeyValue> pairs;
  for (std::size_t i = 0; i + 2 < node.args.size(); i += 3) {
    if (node.args[i].empty()) fail(fmt::format("{} names can not be blank", name));
    pairs.push_back({node.args[i], node.args[i + 1], node.args[i + 2].empty()});
  }
  return pairs;
}

std::string doc_comment(const Node& node, const std::string& name) {
  for (const std::string& comment : node.doc_comments) {
    if (!name.empty() && comment.starts_with(name + " ")) return comment.substr(name.size() + 1);
  }
  return "";
}

CommandLine parse_command(const Node& node, std::vector<std::string> args) {
  CommandLine command;
  command.shell = !node.json;
  command.files = node.heredocs;
  if (node.json) {
    command.words = std::move(args);
  } else if (!args.empty()) {
    command.words = {join(args, " ")};
  }
  return command;
}

Transfer parse_transfer(const Node& node, bool add) {
  const char* name = add ? "ADD" : "COPY";
  if (node.args.size() < 2) {
    fail(fmt::format(
        "{} requires at least two arguments, but only one was provided. Destination could not be determined", name));
  }
  std::vector<FlagRule> rules = {{"chown"}, {"chmod"}, {"link", Kind::Switch}, {"exclude", Kind::Texts}};
  if (add) {
    rules.insert(rules.end(), {{"keep-git-dir", Kind::Switch}, {"checksum"}, {"unpack", Kind::Switch}});
  } else {
    rules.insert(rules.end(), {{"from"}, {"parents", Kind::Switch}});
  }
  Values values = detail::parse_flags(node.flags, rules);
  Transfer transfer;
  transfer.add = add;
  transfer.from = value_of(values, "from");
  transfer.chown = value_of(values, "chown");
  transfer.chmod = value_of(values, "chmod");
  transfer.checksum = value_of(values, "checksum");
  transfer.link = switch_of(values, "link").value_or(false);
  transfer.parents = switch_of(values, "parents").value_or(false);
  transfer.keep_git_dir = switch_of(values, "keep-git-dir");
  transfer.unpack = switch_of(values, "unpack");
  transfer.excludes = list_of(values, "exclude");
  transfer.destination = node.args.back();
  if (!node.json && parse_heredoc_word(transfer.destination))
    fail(fmt::format("{} cannot accept a heredoc as a destination", name));
  for (std::size_t i = 0; i + 1 < node.args.size(); ++i) {
    std::optional<Heredoc> word = node.json ? std::nullopt : parse_heredoc_word(node.args[i]);
    if (!word) {
      transfer.sources.push_back(node.args[i]);
      continue;
    }
    auto found = std::find_if(node.heredocs.rbegin(), node.heredocs.rend(),
                              [&](const Heredoc& h) { return h.name == word->name; });
    std::string content = found == node.heredocs.rend() ? std::string() : found->content;
    transfer.files.push_back({word->name, word->chomp ? chomp_heredoc(content) : content, word->expand});
  }
  return transfer;
}

Run parse_run(const Node& node) {
  Values values =
      detail::parse_flags(node.flags, {{"mount", Kind::Texts}, {"network"}, {"security"}, {"device", Kind::Texts}});
  Run run;
  run.command = parse_command(node, node.args);
  run.mounts = list_of(values, "mount");
  for (const std::string& mount : run.mounts) mount_from(mount);
  run.network = value_of(values, "network");
  if (values.contains("network") && run.network != "default" && run.network != "none" && run.network != "host") {
    fail(fmt::format("invalid network mode: \"{}\"", escape_control(run.network)));
  }
  run.security = value_of(values, "security");
  if (values.contains("security") && run.security != "sandbox" && run.security != "insecure") {
    fail(fmt::format("security \"{}\" is not valid", escape_control(run.security)));
  }
  run.devices = list_of(values, "device");
  for (const std::string& device : run.devices) parse_device(device);
  for (const auto& [name, unused] : values) run.flags_used.push_back(name);
  return run;
}

Healthcheck parse_healthcheck(const Node& node) {
  at_least_one(node, "HEALTHCHECK");
  Healthcheck health;
  std::string kind = to_upper(node.args[0]);
  std::vector<std::string> rest(node.args.begin() + 1, node.args.end());
  if (kind == "NONE") {
    no_flags(node);
    if (!rest.empty()) fail("HEALTHCHECK NONE takes no arguments");
    health.test = {"NONE"};
    return health;
  }
  Values values =
      detail::parse_flags(node.flags, {{"interval"}, {"timeout"}, {"start-period"}, {"start-interval"}, {"retries"}});
  if (kind != "CMD") fail(fmt::format("Unknown type \"{}\" in HEALTHCHECK (try CMD)", escape_control(kind)));
  CommandLine command = parse_command(node, rest);
  if (command.words.empty()) fail("Missing command after HEALTHCHECK CMD");
  health.test = {node.json ? "CMD" : "CMD-SHELL"};
  health.test.insert(health.test.end(), command.words.begin(), command.words.end());
  health.interval = parse_health_interval("interval", value_of(values, "interval"));
  health.timeout = parse_health_interval("timeout", value_of(values, "timeout"));
  health.start_period = parse_health_interval("start-period", value_of(values, "start-period"));
  health.start_interval = parse_health_interval("start-interval", value_of(values, "start-interval"));
  if (std::string text = value_of(values, "retries"); !text.empty()) {
    auto retries = parse_integer<std::int32_t>(text);
    if (!retries || *retries < 0)
      fail(fmt::format("--retries must be a number that is not negative, not {}", escape_control(text)));
    health.retries = *retries;
  }
  return health;
}

bool is_stage_name(std::string_view name) {
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos;
}

From parse_from(const Node& node) {
  From from;
  if (node.args.size() == 3 && to_lower(node.args[1]) == "as") {
    from.name = to_lower(node.args[2]);
    if (!is_stage_name(from.name)) {
      fail(fmt::format("invalid name for build stage: \"{}\", name can't start with a number or contain symbols",
                       escape_control(node.args[2])));
    }
  } else if (node.args.size() != 1) {
    fail("FROM requires either one or three arguments");
  }
  Values values = detail::parse_flags(node.flags, {{"platform"}});
  from.base = node.args[0];
  from.platform = value_of(values, "platform");
  from.doc_comment = doc_comment(node, from.name);
  return from;
}

OnBuild parse_onbuild(const Node& node) {
  at_least_one(node, "ONBUILD");
  no_flags(node);
  std::string trigger = to_upper(node.trigger->instruction);
  if (trigger == "ONBUILD") fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger == "MAINTAINER" || trigger == "FROM")
    fail(fmt::format("{} isn't allowed as an ONBUILD trigger", trigger));
  // The text after "ONBUILD", with its here-documents: it is parsed again where it runs.
  std::string expression(detail::trim_left(detail::trim_left(node.original).substr(7)));
  for (const Heredoc& heredoc : node.heredocs) expression += "\n" + heredoc.content + heredoc.name;
  return {std::move(expression)};
}

Volume parse_volume(const Node& node) {
  no_flags(node);
  at_least_one(node, "VOLUME");
  Volume volume;
  for (const std::string& path : node.args) {
    volume.paths.emplace_back(trim(path));
    if (volume.paths.back().empty()) fail("VOLUME specified can not be an empty string");
  }
  return volume;
}

Arg parse_arg(const Node& node) {
  no_flags(node);
  at_least_one(node, "ARG");
  Arg arg;
  for (const std::string& word : node.args) {
    std::size_t equals = word.find('=');
    ArgItem item{word.substr(0, equals), std::nullopt, ""};
    if (equals == 0) fail("ARG names can not be blank");
    if (equals != std::string::npos) item.value = word.substr(equals + 1);
    item.doc_comment = doc_comment(node, item.key);
    arg.items.push_back(std::move(item));
  }
  return arg;
}

Shell parse_shell(const Node& node) {
  no_flags(node);
  at_least_one(node, "SHELL");
  if (!node.json) fail(fmt::format("SHELL requires the arguments to be in JSON form"));
  return {node.args};
}

Expose parse_expose(const Node& node) {
  at_least_one(node, "EXPOSE");
  no_flags(node);
  Expose expose{node.args};
  std::sort(expose.ports.begin(), expose.ports.end());
  return expose;
}

Meaning one_text(const Node& node, const std::string& name) {
  exactly_one(node, name);
  no_flags(node);
  const std::string& text = node.args[0];
  if (name == "MAINTAINER") return Maintainer{text};
  if (name == "USER") return User{text};
  if (name == "STOPSIGNAL") return StopSignal{text};
  return WorkDir{text};
}

Meaning parse_meaning(const Node& node, const std::string& name) {
  if (name == "ENV") return Env{parse_pairs(node, "ENV")};
  if (name == "LABEL") return Label{parse_pairs(node, "LABEL")};
  if (name == "ADD") return parse_transfer(node, true);
  if (name == "COPY") return parse_transfer(node, false);
  if (name == "FROM") return parse_from(node);
  if (name == "ONBUILD") return parse_onbuild(node);
  if (name == "RUN") return parse_run(node);
  if (name == "HEALTHCHECK") return parse_healthcheck(node);
  if (name == "EXPOSE") return parse_expose(node);
  if (name == "VOLUME") return parse_volume(node);
  if (name == "ARG") return parse_arg(node);
  if (name == "SHELL") return parse_shell(node);
  if (name == "CMD" || name == "ENTRYPOINT") {
    no_flags(node);
    CommandLine command = parse_command(node, node.args);
    return name == "CMD" ? Meaning(Cmd{std::move(command)}) : Meaning(Entrypoint{std::move(command)});
  }
  if (name == "MAINTAINER" || name == "USER" || name == "STOPSIGNAL" || name == "WORKDIR") return one_text(node, name);
  auto near = nearest(name, kNames);
  fail(fmt::format("unknown instruction: {}{}", escape_control(node.instruction),
                   near ? fmt::format(" (did you mean {}?)", *near) : ""));
}

}  // namespace

Instruction parse_instruction(const Node& node) {
  return {node.instruction, node.original, node.first_line, node.last_line,
          parse_meaning(node, to_upper(node.instruction))};
}

DeviceRequest parse_device(std::string_view text) {
  DeviceRequest device;
  for (const std::string& field : spec::split_csv(text, "--device")) {
    auto pair = cut(field, "=");
    std::string key(pair ? pair->first : std::string_view(field));
    std::string value(pair ? pair->second : "true");
    if (to_lower(key) == "name" && pair) {
      device.name = value;
    } else if (to_lower(key) == "required") {
      if (value != "true" && value != "false" && value != "1" && value != "0") {
        fail(fmt::format("invalid value for required: {}", escape_control(value)));
      }
      device.required = value == "true" || value == "1";
    } else if (device.name.empty()) {
      device.name = field;
    } else {
      fail(fmt::format("unexpected key '{}' in '{}'", escape_control(key), escape_control(field)));
    }
  }
  if (device.name.empty()) fail("a device needs a name");
  return device;
}

std::int64_t parse_health_interval(std::string_view flag, std::string_view text) {
  if (text.empty()) return 0;
  auto duration = parse_go_duration(text);
  if (!duration) fail(fmt::format("--{}: invalid duration \"{}\"", flag, escape_control(text)));
  std::int64_t value = duration->count();
  if (value != 0 && value < 1'000'000) fail(fmt::format("Interval \"{}\" cannot be less than 1ms", flag));
  return value;
}

}  // namespace proa::build
