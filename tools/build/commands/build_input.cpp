#include "tools/build/commands/build_input.h"

#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "tools/build/commands/build_options.h"
#include "tools/build/sources/context.h"
#include "tools/build/sources/http_fetch.h"

namespace proa::build {
namespace {

constexpr std::uint64_t kMaxIgnoreFile = 1u << 20;

// A regular file, at most so large, without ever waiting for it. Links are fine: the user names this file.
std::string read_user_file(const std::string& path, std::uint64_t max_size) {
  os::UniqueFd fd = os::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw system_error("stat " + path);
  if (!S_ISREG(st.st_mode))
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no regular file", escape_control(path)));
  return os::read_fd(fd.get(), max_size, path);
}

void find_containerfile(const BuildOptions& options, const OpenContext& context, bool local, BuildInput& input) {
  const auto& root = context.root;
  if (context.containerfile) {
    input.file_name.assign("stdin");
    input.text = *context.containerfile;
    return;
  }
  if (options.file == "-") {
    input.file_name.assign("stdin");
    input.text = os::read_fd(STDIN_FILENO, kMaxContainerfile, "stdin");
    return;
  }
  if (options.file && is_http_url(*options.file)) {
    throw Error(ErrorCode::Unsupported, "-f takes no URL", "give the URL as the context");
  }
  if (options.file) {
    // As the peers do: from here, else from the context. What was fetched has its own.
    input.file_name = *options.file;
    if (!local || !os::exists(*options.file)) {
      if (auto text = read_context_file(*root, *options.file, kMaxContainerfile)) {
        input.text = std::move(*text);
        input.inside = true;
        return;
      }
      if (!local) throw Error(ErrorCode::NotFound, fmt::format("no {} in the context", escape_control(*options.file)));
    }
    const While reading{"the Containerfile that -f names"};
    input.text = read_user_file(*options.file, kMaxContainerfile);
    return;
  }
  for (const char* name : {"Containerfile", "Dockerfile"}) {
    if (auto text = read_context_file(*root, name, kMaxContainerfile)) {
      input.file_name = name;
      input.inside = true;
      input.text = std::move(*text);
      return;
    }
  }
  throw Error(ErrorCode::NotFound,
              fmt::format("no Containerfile and no Dockerfile in {}", escape_control(root->name())),
              "name one with -f FILE");
}

// The ignore file that stands beside a Containerfile, else that of the context.
IgnoreRules read_ignore_rules(const BuildOptions& options, const BuildInput& input, const os::Dir& root) {
  if (options.ignore_file) return IgnoreRules(parse_ignore_file(read_user_file(*options.ignore_file, kMaxIgnoreFile)));
  for (const char* suffix : {".containerignore", ".dockerignore"}) {
    if (input.file_name.empty() || input.file_name == "stdin") break;
    std::string path = input.file_name + suffix;
    if (input.inside) {
      if (auto text = read_context_file(root, path, kMaxIgnoreFile)) return IgnoreRules(parse_ignore_file(*text));
    } else if (os::exists(path)) {
      return IgnoreRules(parse_ignore_file(read_user_file(path, kMaxIgnoreFile)));
    }
  }
  return read_context_ignore(root);
}

}  // namespace

BuildInput read_input(const BuildOptions& options, Session& session, const Secrets& secrets) {
  std::string place = options.positionals.empty() ? "." : options.positionals[0];
  ContextSpec spec = parse_context(place, os::exists(place));
  if (spec.kind == ContextSpec::Kind::Image) throw Error(ErrorCode::InvalidArgument, "an image cannot be the context");
  if (spec.kind == ContextSpec::Kind::Stdin && options.file == "-")
    throw Error(ErrorCode::InvalidArgument, "stdin cannot be both the context and the Containerfile");
  auto agent = secrets.agents.find("default");
  OpenContext context = open_context(spec, session, agent == secrets.agents.end() ? "" : agent->second);
  BuildInput input;
  if (context.containerfile && options.file)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} is a Containerfile, no archive: -f has no place then", escape_control(place)));
  find_containerfile(options, context, spec.kind == ContextSpec::Kind::Folder, input);
  if (context.root) {
    IgnoreRules rules = read_ignore_rules(options, input, *context.root);
    input.context.emplace(std::move(*context.root), std::move(rules), "the build context");
  }
  return input;
}

}  // namespace proa::build
