#include <fmt/core.h>

#include <algorithm>

#include "libcommon/cli/parse.h"

namespace proa::cli {
namespace {

constexpr std::size_t kWidth = 100;

// Words of `text` in lines of at most kWidth, continued at `indent`.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string result;
  std::size_t column = indent;
  for (const auto& word : split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

std::string two_columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, std::min<std::size_t>(left.size(), 36));
  std::string text;
  for (const auto& [left, right] : rows) {
    text += "  " + left;
    if (left.size() > width) {
      text += "\n" + std::string(width + 4, ' ');
    } else {
      text += std::string(width - left.size() + 2, ' ');
    }
    text += wrapped(right, width + 4) + "\n";
  }
  return text;
}

std::string command_rows(const std::vector<Command>& commands) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& command : commands) {
    if (!command.hidden) rows.emplace_back(command.name, command.summary);
  }
  std::sort(rows.begin(), rows.end());
  return two_columns(rows);
}

std::string flag_rows(const std::vector<Flag>& flags) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& flag : flags) {
    if (flag.hidden) continue;
    std::string left = flag.short_name != 0 ? fmt::format("-{}", flag.short_name) : "  ";
    if (!flag.name.empty()) left += (flag.short_name != 0 ? ", --" : "  --") + flag.name;
    if (!flag.placeholder.empty()) left += " " + flag.placeholder;
    rows.emplace_back(left, flag.help);
  }
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first.substr(2) < b.first.substr(2); });
  return two_columns(rows);
}

}  // namespace

std::string help_text(const std::string& program, const std::vector<std::string>& verb, const Command& command) {
  std::string text = command.summary + "\n\nUsage: " + program + " " + join(verb, " ");
  if (!command.subcommands.empty()) {
    return text + " COMMAND\n\nCommands:\n" + command_rows(command.subcommands);
  }
  if (!command.flags.empty()) text += " [OPTIONS]";
  if (!command.positional_synopsis.empty()) text += " " + command.positional_synopsis;
  text += "\n";
  if (!command.aliases.empty()) text += "\nAliases: " + join(command.aliases, ", ") + "\n";
  if (!command.flags.empty()) text += "\nOptions:\n" + flag_rows(command.flags);
  return text;
}

std::string program_help(const Program& program) {
  std::string text = program.summary + "\n\nUsage: " + program.name + " [GLOBAL OPTIONS] COMMAND\n\nCommands:\n";
  text += command_rows(program.commands);
  text += "\nGlobal options:\n";
  text += two_columns({{"    --log-level LEVEL", "error, warn, info or debug (default warn)"},
                       {"    --root DIR", "Where images, layers and containers are kept"},
                       {"    --runroot DIR", "Where live state is kept"},
                       {"-h, --help", "Show this help, or that of a command"},
                       {"-v, --version", "Print the version"}});
  return text;
}

}  // namespace proa::cli
