#include "libcommon/cli/command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "libcommon/base/log.h"
#include "libcommon/cli/parse.h"

namespace proa::cli {
namespace {

// Words still to be looked at, from the left.
class Words {
 public:
  Words(int argc, char** argv) : words_(argv + 1, argv + argc) {}
  bool empty() const { return at_ >= words_.size(); }
  const std::string& peek() const { return words_[at_]; }
  std::string take() { return std::move(words_[at_++]); }
  std::vector<std::string> rest() { return {words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end()}; }

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

void set_log_level(const std::string& name) {
  static const std::vector<std::pair<std::string, log::Level>> levels = {
      {"error", log::Level::Error}, {"fatal", log::Level::Error},  {"panic", log::Level::Error},
      {"warn", log::Level::Warn},   {"warning", log::Level::Warn}, {"info", log::Level::Info},
      {"debug", log::Level::Debug}, {"trace", log::Level::Debug}};
  for (const auto& [known, level] : levels) {
    if (known == to_lower(name)) return log::set_level(level);
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown log level '{}'", escape_control(name)),
              "use error, warn, info or debug");
}

std::string value_of(Words& words, const std::string& flag) {
  if (words.empty()) throw Error(ErrorCode::InvalidArgument, "flag needs an argument: " + flag);
  return words.take();
}

// The global flags before the verb. They reach the programs that we start through the environment. True: the answer was
// printed.
bool global_flags(const Program& program, Words& words) {
  while (!words.empty() && words.peek().size() > 1 && words.peek()[0] == '-') {
    std::string word = words.take();
    auto assigned = cut(word, "=");
    std::string name(assigned ? assigned->first : std::string_view(word));
    auto value = [&] { return assigned ? std::string(assigned->second) : value_of(words, name); };
    if (name == "--help" || name == "-h") {
      fmt::print("{}", program_help(program));
      return true;
    }
    if (name == "--version" || name == "-v") {
      fmt::print("{} version {}\n", program.name, PROA_VERSION);
      return true;
    }
    if (name == "--log-level" || name == "-l") {
      set_log_level(value());
    } else if (name == "--debug" || name == "-D") {
      log::set_level(log::Level::Debug);
    } else if (name == "--root") {
      ::setenv("PROA_ROOT", value().c_str(), 1);
    } else if (name == "--runroot") {
      ::setenv("PROA_RUNROOT", value().c_str(), 1);
    } else {
      throw Error(ErrorCode::InvalidArgument, "unknown flag: " + escape_control(word),
                  fmt::format("global flags are listed by `{} --help`", program.name));
    }
  }
  return false;
}

const Command* find(const std::vector<Command>& commands, const std::string& name) {
  for (const auto& command : commands) {
    if (command.name == name) return &command;
    for (const auto& alias : command.aliases) {
      if (alias == name) return &command;
    }
  }
  return nullptr;
}

[[noreturn]] void unknown_command(const std::string& path, const std::vector<Command>& commands,
                                  const std::string& name) {
  std::vector<std::string> names;
  for (const auto& command : commands) {
    if (!command.hidden) names.push_back(command.name);
  }
  auto near = nearest(name, names);
  throw Error(
      ErrorCode::InvalidArgument, fmt::format("unknown command '{}' for '{}'", escape_control(name), path),
      near ? fmt::format("did you mean `{} {}`?", path, *near) : fmt::format("`{} --help` lists the commands", path));
}

ExitCode run_group_help(const Program& program, const std::vector<std::string>& verb, const Command& command) {
  fmt::print("{}", help_text(program.name, verb, command));
  return 0;
}

ExitCode run_verb(const Program& program, Words& words) {
  Context context{program.name, {}};
  const std::vector<Command>* table = &program.commands;
  const Command* command = nullptr;
  while (command == nullptr || !command->subcommands.empty()) {
    if (words.empty() || words.peek() == "--help" || words.peek() == "-h") {
      if (command != nullptr) return run_group_help(program, context.verb, *command);
      fmt::print("{}", program_help(program));
      return words.empty() ? program.usage_error : 0;
    }
    std::string name = words.take();
    const Command* next = find(*table, name);
    if (next == nullptr)
      unknown_command(join(
                          [&] {
                            std::vector<std::string> path{program.name};
                            path.insert(path.end(), context.verb.begin(), context.verb.end());
                            return path;
                          }(),
                          " "),
                      *table, name);
    context.verb.push_back(next->name);
    command = next;
    table = &next->subcommands;
  }
  Parsed parsed = parse(*command, words.rest());
  if (parsed.help) return run_group_help(program, context.verb, *command);
  return command->run(context, parsed.options.get());
}

// stdout is checked once at the end: a full disk behind `proa ps > file` must not look like success.
ExitCode flush_output(const Program& program, ExitCode code) {
  bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (!failed || code != 0) return code;
  report(system_error("write to standard output"));
  return program.failure;
}

// A program started with 0, 1 or 2 closed would open its files there and print into them.
void ensure_standard_descriptors() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) [[maybe_unused]]
      int opened = ::open("/dev/null", O_RDWR);
  }
}

}  // namespace

Command group(std::string name, std::string summary, std::vector<Command> subcommands) {
  Command command;
  command.name = std::move(name);
  command.summary = std::move(summary);
  command.subcommands = std::move(subcommands);
  return command;
}

bool parse_bool(const std::string& text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  throw Error(ErrorCode::InvalidArgument, "neither true nor false");
}

void detail::bad_number(const std::string&) { throw Error(ErrorCode::InvalidArgument, "not a number in range"); }

ExitCode run_program(const Program& program, int argc, char** argv) {
  ensure_standard_descriptors();
  set_hints(program.hint);
  if (::getuid() != ::geteuid() || ::getgid() != ::getegid()) {
    report(Error(ErrorCode::PermissionDenied, program.name + " must not be set-user-ID or set-group-ID"));
    return program.failure;
  }
  try {
    if (const char* level = std::getenv("PROA_LOG_LEVEL")) set_log_level(level);
    Words words(argc, argv);
    bool answered = global_flags(program, words);
    if (!answered && !words.empty() && words.peek() == "__commands") {
      fmt::print("{}", command_table(program));
      answered = true;
    }
    return flush_output(program, answered ? 0 : run_verb(program, words));
  } catch (const Error& error) {
    report(error);
    if (error.exit_status()) return *error.exit_status();
    return error.code() == ErrorCode::InvalidArgument ? program.usage_error : program.failure;
  } catch (const std::bad_alloc&) {
    report(Error(ErrorCode::LimitExceeded, "out of memory"));
  } catch (const std::exception& error) {
    report(error);
  }
  return program.failure;
}

}  // namespace proa::cli
