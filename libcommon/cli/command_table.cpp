
#include "libcommon/base/json.h"
#include "libcommon/cli/parse.h"

namespace proa::cli {
namespace {

const char* completion_name(Complete complete) {
  switch (complete) {
    case Complete::None:
      return "none";
    case Complete::File:
      return "file";
    case Complete::Directory:
      return "directory";
    case Complete::Image:
      return "image";
    case Complete::Container:
      return "container";
    case Complete::RunningContainer:
      return "running-container";
    case Complete::Volume:
      return "volume";
    case Complete::Network:
      return "network";
  }
  return "none";
}

nlohmann::ordered_json describe(const Flag& flag) {
  nlohmann::ordered_json json{{"name", flag.name}, {"takes_value", flag.takes_value}, {"help", flag.help}};
  if (flag.short_name != 0) json["short"] = std::string(1, flag.short_name);
  if (!flag.placeholder.empty()) json["placeholder"] = flag.placeholder;
  if (flag.optional_value) json["optional_value"] = true;
  if (flag.complete != Complete::None) json["complete"] = completion_name(flag.complete);
  return json;
}

nlohmann::ordered_json describe(const Command& command) {
  nlohmann::ordered_json json{{"name", command.name}, {"summary", command.summary}};
  if (!command.aliases.empty()) json["aliases"] = command.aliases;
  if (!command.positional_synopsis.empty()) json["positionals"] = command.positional_synopsis;
  if (command.complete != Complete::None) json["complete"] = completion_name(command.complete);
  if (command.hidden) json["hidden"] = true;
  for (const auto& flag : command.flags) {
    if (!flag.hidden) json["flags"].push_back(describe(flag));
  }
  for (const auto& subcommand : command.subcommands) json["subcommands"].push_back(describe(subcommand));
  return json;
}

}  // namespace

std::string command_table(const Program& program) {
  nlohmann::ordered_json json{{"program", program.name}, {"version", PROA_VERSION}};
  for (const auto& command : program.commands) json["commands"].push_back(describe(command));
  return json_text(json, 2) + "\n";
}

}  // namespace proa::cli
