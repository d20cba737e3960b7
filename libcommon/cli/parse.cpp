#include "libcommon/cli/parse.h"

#define CXXOPTS_NO_REGEX  // building its regular expressions would cost every start a millisecond
#include <fmt/core.h>

#include <cxxopts.hpp>
#include <map>

#include "libcommon/base/error.h"

namespace proa::cli {
namespace {

// What the library calls a flag: it takes no dots ("registries.d"), and no flag of ours has an underscore.
std::string library_name(const Flag& flag) { return replace_all(flag.name, ".", "_"); }

std::string essential_name(const Flag& flag) {
  return flag.name.empty() ? std::string(1, flag.short_name) : library_name(flag);
}

std::string shown_name(const Flag& flag) {
  if (flag.name.empty()) return fmt::format("-{}", flag.short_name);
  return flag.short_name != 0 ? fmt::format("-{}, --{}", flag.short_name, flag.name) : "--" + flag.name;
}

const Flag* find_long(const Command& command, std::string_view name) {
  for (const auto& flag : command.flags) {
    if (!flag.name.empty() && flag.name == name) return &flag;
  }
  return nullptr;
}

const Flag* find_short(const Command& command, char name) {
  for (const auto& flag : command.flags) {
    if (flag.short_name == name) return &flag;
  }
  return nullptr;
}

[[noreturn]] void unknown_flag(const Command& command, const std::string& shown) {
  std::vector<std::string> names;
  for (const auto& flag : command.flags) {
    if (!flag.name.empty() && !flag.hidden) names.push_back("--" + flag.name);
  }
  auto near = shown.starts_with("--") ? nearest(shown, names) : std::nullopt;
  throw Error(ErrorCode::InvalidArgument, "unknown flag: " + escape_control(shown),
              near ? "did you mean " + *near + "?" : "");
}

const Flag& known(const Flag* flag, const Command& command, const std::string& shown) {
  if (flag == nullptr) unknown_flag(command, shown);
  return *flag;
}

struct SplitWords {
  std::vector<std::string> options;  // normalised: --name=value, or -x value for flags without a long name
  std::vector<std::string> positionals;
  bool help = false;
};

// Separates flags from positionals by pflag's rules (cxxopts goes on parsing after the first positional, and loses
// empty arguments).
class Splitter {
 public:
  Splitter(const Command& command, const std::vector<std::string>& words) : command_(command), words_(words) {}

  SplitWords split() {
    for (; at_ < words_.size() && !result_.help; ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        take_rest(at_ + 1);
      } else if (word.size() > 2 && word.starts_with("--")) {
        long_flag(word);
      } else if (word.size() > 1 && word[0] == '-') {
        short_flags(word);
      } else if (command_.options_end_at_first_positional) {
        take_rest(at_);
      } else {
        result_.positionals.push_back(word);
      }
    }
    return std::move(result_);
  }

 private:
  void take_rest(std::size_t from) {
    result_.positionals.insert(result_.positionals.end(), words_.begin() + static_cast<std::ptrdiff_t>(from),
                               words_.end());
    at_ = words_.size();
  }

  void emit(const Flag& flag, std::string_view value) {
    if (flag.name.empty()) {
      result_.options.push_back(fmt::format("-{}", flag.short_name));
      result_.options.push_back(std::string(value));
    } else {
      result_.options.push_back(fmt::format("--{}={}", library_name(flag), value));
    }
  }

  const std::string& next_value(const std::string& shown) {
    if (at_ + 1 >= words_.size()) throw Error(ErrorCode::InvalidArgument, "flag needs an argument: " + shown);
    return words_[++at_];
  }

  void long_flag(const std::string& word) {
    auto assigned = cut(std::string_view(word).substr(2), "=");
    std::string name(assigned ? assigned->first : std::string_view(word).substr(2));
    if (name == "help" && find_long(command_, "help") == nullptr) {
      result_.help = true;
      return;
    }
    const Flag& flag = known(find_long(command_, name), command_, "--" + name);
    if (assigned) {
      emit(flag, assigned->second);
    } else if (flag.optional_value) {
      emit(flag, flag.implicit_value);
    } else {
      emit(flag, next_value("--" + name));
    }
  }

  // -it, -p8080:80, -p 8080:80, -i=false
  void short_flags(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      if (word[i] == 'h' && find_short(command_, 'h') == nullptr) {
        result_.help = true;
        return;
      }
      const Flag& flag = known(find_short(command_, word[i]), command_, fmt::format("-{}", word[i]));
      bool assigned = i + 1 < word.size() && word[i + 1] == '=';
      if (flag.optional_value && !assigned) {
        emit(flag, flag.implicit_value);
        continue;
      }
      std::string_view rest = std::string_view(word).substr(i + 1 + (assigned ? 1 : 0));
      emit(flag, rest.empty() && !assigned ? std::string_view(next_value(fmt::format("-{}", word[i]))) : rest);
      return;
    }
  }

  const Command& command_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  SplitWords result_;
};

cxxopts::ParseResult parse_options(const Command& command, const std::vector<std::string>& words) {
  cxxopts::Options options(command.name);
  for (const auto& flag : command.flags) {
    // Short names of flags that have a long one are resolved already.
    std::string short_only = flag.name.empty() ? std::string(1, flag.short_name) : "";
    options.add_option("", short_only, library_name(flag), "", cxxopts::value<std::vector<std::string>>(), "");
  }
  std::vector<const char*> argv{command.name.c_str()};
  for (const auto& word : words) argv.push_back(word.c_str());
  return options.parse(static_cast<int>(argv.size()), argv.data());
}

void check_count(const Command& command, std::size_t count) {
  if (count < command.min_positionals) {
    throw Error(
        ErrorCode::InvalidArgument,
        command.min_positionals == 1 && count == 0
            ? fmt::format("{} needs an argument: {}", command.name, command.positional_synopsis)
            : fmt::format("{} needs at least {} arguments, got {}", command.name, command.min_positionals, count));
  }
  if (count > command.max_positionals) {
    throw Error(ErrorCode::InvalidArgument,
                command.max_positionals == 0
                    ? fmt::format("{} takes no arguments", command.name)
                    : fmt::format("{} takes at most {} argument{}, got {}", command.name, command.max_positionals,
                                  command.max_positionals == 1 ? "" : "s", count));
  }
}

}  // namespace

Parsed parse(const Command& command, const std::vector<std::string>& words) {
  SplitWords split = Splitter(command, words).split();
  Parsed parsed{command.make_options(), split.help};
  if (split.help) return parsed;

  std::map<std::string, const Flag*> by_name;
  for (const auto& flag : command.flags) by_name[essential_name(flag)] = &flag;
  try {
    cxxopts::ParseResult result = parse_options(command, split.options);
    for (const auto& argument : result.arguments()) {
      const Flag& flag = *by_name.at(argument.key());
      try {
        flag.apply(parsed.options.get(), argument.value());
      } catch (const Error& error) {
        throw Error(error.code(),
                    fmt::format("invalid value '{}' for {}: {}", escape_control(argument.value()), shown_name(flag),
                                error.message()),
                    error.hint());
      }
    }
  } catch (const cxxopts::exceptions::exception& error) {
    throw Error(ErrorCode::InvalidArgument, error.what());
  }
  check_count(command, split.positionals.size());
  command.apply_positionals(parsed.options.get(), std::move(split.positionals));
  return parsed;
}

}  // namespace proa::cli
