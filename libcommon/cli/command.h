// Commands as data: a verb, its flags bound to the fields of its options, and what runs it. Help, completions and the
// synopsis of the manual come from the same declaration. Parsing is cxxopts behind command.cpp; messages are ours.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::cli {

using ExitCode = int;

// What completes an argument in a shell.
enum class Complete { None, File, Directory, Image, Container, RunningContainer, Volume, Network };

struct Context {
  std::string program;            // "proa-run"
  std::vector<std::string> verb;  // {"image", "ls"}
};

// One flag of a command, type-erased. `apply` stores a value into the command's options.
struct Flag {
  std::string name;  // long name; empty when there is only a short one
  char short_name = 0;
  std::string help;
  std::string placeholder;  // "SECONDS"; empty for a switch
  bool takes_value = false;
  bool optional_value = false;  // --flag alone means `implicit_value`
  std::string implicit_value = "true";
  bool hidden = false;
  Complete complete = Complete::None;
  std::function<void(void*, const std::string&)> apply;
};

struct Command {
  std::string name;
  std::vector<std::string> aliases;
  std::string summary;
  std::string positional_synopsis;  // "IMAGE [COMMAND [ARG...]]"
  std::size_t min_positionals = 0;
  std::size_t max_positionals = 0;
  bool options_end_at_first_positional = false;  // run, exec, create
  bool hidden = false;
  Complete complete = Complete::None;
  std::vector<Flag> flags;
  std::vector<Command> subcommands;  // a group when not empty
  std::function<std::shared_ptr<void>()> make_options;
  std::function<void(void*, std::vector<std::string>)> apply_positionals;
  std::function<ExitCode(Context&, const void*)> run;
};

Command group(std::string name, std::string summary, std::vector<Command> subcommands);

// Conversions of flag values; throw InvalidArgument without the flag's name, which the parser adds.
bool parse_bool(const std::string& text);  // as Go's strconv.ParseBool

namespace detail {

[[noreturn]] void bad_number(const std::string& text);

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
void store_value(T& target, const std::string& text) {
  if constexpr (IsOptional<T>::value) {
    typename T::value_type value{};
    store_value(value, text);
    target = std::move(value);
  } else if constexpr (IsVector<T>::value) {
    typename T::value_type value{};
    store_value(value, text);
    target.push_back(std::move(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    target = parse_bool(text);
  } else if constexpr (std::is_integral_v<T>) {
    auto value = parse_integer<T>(text);
    if (!value) bad_number(text);
    target = *value;
  } else {
    target = text;
  }
}

}  // namespace detail

// Builds a Command whose options are an `Options` struct. `names` is "all,a" (long, short), "all" or "a".
template <typename Options>
class CommandBuilder {
 public:
  CommandBuilder(std::string name, std::string summary) {
    command_.name = std::move(name);
    command_.summary = std::move(summary);
    command_.make_options = [] { return std::make_shared<Options>(); };
    command_.apply_positionals = [](void*, std::vector<std::string>) {};
  }

  // A switch: --all, --all=false, -a. The field is bool or std::optional<bool>.
  template <typename Field>
  CommandBuilder& flag(std::string_view names, Field Options::*field, std::string help) {
    Flag& flag = add(names, std::move(help));
    flag.optional_value = true;
    flag.apply = [field](void* o, const std::string& text) {
      detail::store_value(static_cast<Options*>(o)->*field, text);
    };
    return *this;
  }
  // A value: string, number, std::optional of these, or std::vector of these (the flag may be repeated; commas are
  // kept).
  template <typename Field>
  CommandBuilder& value(std::string_view names, Field Options::*field, std::string help, std::string placeholder,
                        Complete complete = Complete::None) {
    Flag& flag = add(names, std::move(help));
    flag.takes_value = true;
    flag.placeholder = std::move(placeholder);
    flag.complete = complete;
    flag.apply = [field](void* o, const std::string& text) {
      detail::store_value(static_cast<Options*>(o)->*field, text);
    };
    return *this;
  }
  // A value with a conversion of its own: void(Options&, const std::string&).
  template <typename Setter>
  requires std::is_invocable_v<Setter, Options&, const std::string&> CommandBuilder& custom(std::string_view names,
                                                                                            Setter setter,
                                                                                            std::string help,
                                                                                            std::string placeholder) {
    Flag& flag = add(names, std::move(help));
    flag.takes_value = !placeholder.empty();
    flag.optional_value = placeholder.empty();
    flag.placeholder = std::move(placeholder);
    flag.apply = [setter](void* o, const std::string& text) { setter(*static_cast<Options*>(o), text); };
    return *this;
  }
  // The flag declared last may stand without a value and then means `implicit`.
  CommandBuilder& implicit(std::string implicit) {
    command_.flags.back().optional_value = true;
    command_.flags.back().implicit_value = std::move(implicit);
    return *this;
  }
  CommandBuilder& hide_last() {
    command_.flags.back().hidden = true;
    return *this;
  }
  CommandBuilder& positionals(std::string synopsis, std::vector<std::string> Options::*field, std::size_t min,
                              std::size_t max, Complete complete = Complete::None) {
    command_.positional_synopsis = std::move(synopsis);
    command_.min_positionals = min;
    command_.max_positionals = max;
    command_.complete = complete;
    command_.apply_positionals = [field](void* o, std::vector<std::string> words) {
      static_cast<Options*>(o)->*field = std::move(words);
    };
    return *this;
  }
  CommandBuilder& options_end_at_first_positional() {
    command_.options_end_at_first_positional = true;
    return *this;
  }
  CommandBuilder& alias(std::string name) {
    command_.aliases.push_back(std::move(name));
    return *this;
  }
  CommandBuilder& hidden() {
    command_.hidden = true;
    return *this;
  }
  // Shares declarations between commands: void(CommandBuilder&), e.g. the flags of `run` and `create`.
  template <typename Function>
  CommandBuilder& with(Function function) {
    function(*this);
    return *this;
  }
  Command runs(std::function<ExitCode(Context&, const Options&)> run) {
    command_.run = [run = std::move(run)](Context& context, const void* o) {
      return run(context, *static_cast<const Options*>(o));
    };
    return std::move(command_);
  }

 private:
  Flag& add(std::string_view names, std::string help) {
    Flag flag;
    for (const auto& name : split(names, ',')) {
      if (name.size() == 1) {
        flag.short_name = name[0];
      } else {
        flag.name = name;
      }
    }
    flag.help = std::move(help);
    command_.flags.push_back(std::move(flag));
    return command_.flags.back();
  }

  Command command_;
};

template <typename Options>
CommandBuilder<Options> command(std::string name, std::string summary) {
  return CommandBuilder<Options>(std::move(name), std::move(summary));
}

inline constexpr std::size_t kAnyNumber = static_cast<std::size_t>(-1);

struct Program {
  std::string name;
  std::string summary;
  std::vector<Command> commands;
  ExitCode usage_error = 125;  // as the peer has it: podman 125, skopeo and buildah 1 or 2
  ExitCode failure = 125;
  std::string (*hint)(const Error&) = nullptr;  // for errors that bring none
};

// Parses argv, runs the command, reports a thrown Error as "Error: ..." and "hint: ..." on stderr. The one place that
// catches for a program. Built in: --help, --version, --log-level; a hidden verb `__commands` that prints the table as
// JSON (completions, tests).
ExitCode run_program(const Program& program, int argc, char** argv);

// Prints error and hint as run_program does, foreign bytes escaped.
void report(const std::exception& error);
// Set by run_program: what report() asks about errors without a hint.
void set_hints(std::string (*hint)(const Error&));

}  // namespace proa::cli
