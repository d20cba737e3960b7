#include "tools/build/commands/build_input.h"

#include <fmt/format.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "tools/build/commands/build_options.h"

namespace proa::build {
namespace {

constexpr std::uint64_t kMaxIgnoreFile = 1u << 20;

bool is_remote(const std::string& context) {
  return context.starts_with("http://") || context.starts_with("https://") || context.starts_with("git://") ||
         context.starts_with("ssh://") || context.starts_with("git@") || context.starts_with("github.com/");
}

// A regular file, at most so large, without ever waiting for it. Links are fine: the user names this file.
std::string read_user_file(const std::string& path, std::uint64_t max_size) {
  os::UniqueFd fd = os::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw system_error("stat " + path);
  if (!S_ISREG(st.st_mode))
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no regular file", escape_control(path)));
  return os::read_fd(fd.get(), max_size, path);
}

// A file of the context: links in it stay inside.
std::optional<std::string> read_context_file(const os::Dir& root, const std::string& name, std::uint64_t max_size) {
  auto fd = root.try_open_in_root(name, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::nullopt;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) throw system_error("stat " + name);
  if (!S_ISREG(st.st_mode))
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} in the build context is no regular file", name));
  return os::read_fd(fd->get(), max_size, name);
}

void find_containerfile(const BuildOptions& options, const std::optional<os::Dir>& root, BuildInput& input) {
  if (options.file == "-" || (!options.file && !root)) {
    input.file_name = "stdin";
    input.text = os::read_fd(STDIN_FILENO, kMaxContainerfile, "stdin");
    return;
  }
  if (options.file) {
    // As the peers do: from here, else from the context.
    input.file_name = *options.file;
    if (root && !os::exists(*options.file)) {
      if (auto text = read_context_file(*root, *options.file, kMaxContainerfile)) {
        input.text = std::move(*text);
        return;
      }
    }
    input.text = read_user_file(*options.file, kMaxContainerfile);
    return;
  }
  for (const char* name : {"Containerfile", "Dockerfile"}) {
    if (auto text = read_context_file(*root, name, kMaxContainerfile)) {
      input.file_name = name;
      input.text = std::move(*text);
      return;
    }
  }
  throw Error(ErrorCode::NotFound,
              fmt::format("no Containerfile and no Dockerfile in {}", escape_control(root->name())),
              "name one with -f FILE");
}

IgnoreRules read_ignore_rules(const BuildOptions& options, const os::Dir& root) {
  if (options.ignore_file) return IgnoreRules(parse_ignore_file(read_user_file(*options.ignore_file, kMaxIgnoreFile)));
  if (options.file && *options.file != "-") {
    for (const char* suffix : {".containerignore", ".dockerignore"}) {
      std::string path = *options.file + suffix;
      if (os::exists(path)) return IgnoreRules(parse_ignore_file(read_user_file(path, kMaxIgnoreFile)));
    }
  }
  for (const char* name : {".containerignore", ".dockerignore"}) {
    While reading{name};
    if (auto text = read_context_file(root, name, kMaxIgnoreFile)) return IgnoreRules(parse_ignore_file(*text));
  }
  return {};
}

}  // namespace

BuildInput read_input(const BuildOptions& options) {
  std::string context = options.positionals.empty() ? "." : options.positionals[0];
  if (is_remote(context))
    throw Error(ErrorCode::Unsupported, "a remote build context is not supported",
                "fetch it first, and name the folder");
  if (context == "-" && options.file)
    throw Error(ErrorCode::InvalidArgument, "the context - takes the Containerfile from stdin: -f has no place then");
  BuildInput input;
  std::optional<os::Dir> root;
  if (context != "-") root = os::Dir::open(context);
  find_containerfile(options, root, input);
  if (root) {
    IgnoreRules rules = read_ignore_rules(options, *root);
    input.context.emplace(std::move(*root), std::move(rules), "the build context");
  }
  return input;
}

}  // namespace proa::build
