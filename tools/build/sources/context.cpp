#include "tools/build/sources/context.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "libcommon/archive/import.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/syntax.h"
#include "tools/build/sources/git_fetch.h"
#include "tools/build/sources/http_fetch.h"
#include "tools/build/steps/session.h"

namespace proa::build {
namespace {

constexpr std::uint64_t kMaxIgnoreFile = 1u << 20;
constexpr std::string_view kImagePrefix = "docker-image://";

// Gives back what was looked at before the rest.
class HeadSource final : public io::Source {
 public:
  HeadSource(std::string head, std::unique_ptr<io::Source> rest) : head_(std::move(head)), rest_(std::move(rest)) {}
  std::size_t read(io::Buffer buffer) override {
    std::size_t size = head_.read(buffer);
    return size > 0 ? size : rest_->read(buffer);
  }

 private:
  io::MemorySource head_;
  std::unique_ptr<io::Source> rest_;
};

// A tar, compressed or not, is unpacked; anything else is a Containerfile.
OpenContext open_stream(std::unique_ptr<io::Source> source, Session& session, const std::string& name) {
  While reading{[&] { return fmt::format("the build context from {}", escape_control(name)); }};
  std::unique_ptr<io::Source> plain = archive::decompress_import(std::move(source));
  std::string head(archive::kTarHeadSize, '\0');
  head.resize(io::read_full(*plain, std::as_writable_bytes(std::span(head))));
  bool is_tar = archive::looks_like_tar(io::as_bytes(head));
  HeadSource whole(std::move(head), std::move(plain));
  OpenContext context;
  if (!is_tar) {
    context.containerfile = io::read_all(whole, kMaxContainerfile, "a Containerfile");
    return context;
  }
  os::Path folder = session.scratch_dir("context");
  os::Dir root = os::Dir::open(folder);
  archive::ApplyOptions options;
  options.mode = session.plan().mode;
  options.whiteouts = archive::WhiteoutStyle::Plain;
  archive::apply_layer(whole, root, options);
  context.root = std::move(root);
  return context;
}

os::Dir open_git(const GitRef& ref, Session& session, const std::string& agent) {
  std::string commit = resolve_commit(ref, agent);
  os::Path folder = session.scratch_dir("git");
  checkout_commit(ref, commit, folder, ref.keep_git_dir.value_or(false), agent);
  os::Dir root = os::Dir::open(folder);
  if (ref.subdir.empty()) return root;
  os::UniqueFd inner = root.open_in_root(ref.subdir, O_RDONLY | O_DIRECTORY);
  // By its real path: the folder is ours, and it is opened again after namespaces changed.
  return os::Dir::open(os::read_link(os::fd_path(inner.get())));
}

}  // namespace

ContextSpec parse_context(const std::string& text, bool folder_exists) {
  if (text == "-") return {ContextSpec::Kind::Stdin, text, {}};
  if (text.starts_with(kImagePrefix)) return {ContextSpec::Kind::Image, text.substr(kImagePrefix.size()), {}};
  if (auto git = GitRef::try_parse(text); git && !(git->like_local && folder_exists)) {
    return {ContextSpec::Kind::Git, text, std::move(git)};
  }
  if (is_http_url(text)) return {ContextSpec::Kind::Url, text, {}};
  return {ContextSpec::Kind::Folder, text, {}};
}

OpenContext open_context(const ContextSpec& spec, Session& session, const std::string& agent) {
  switch (spec.kind) {
    case ContextSpec::Kind::Stdin:
      return open_stream(std::make_unique<io::FdSource>(os::UniqueFd(::dup(STDIN_FILENO)), "stdin"), session, "stdin");
    case ContextSpec::Kind::Git:
      return {open_git(*spec.git, session, agent), {}};
    case ContextSpec::Kind::Url: {
      os::Path path = os::join(session.scratch_dir("url"), "file");
      fetch_url(spec.text, path);
      auto file = std::make_unique<io::FdSource>(os::open(path, O_RDONLY), path);
      return open_stream(std::move(file), session, without_credentials(spec.text));
    }
    case ContextSpec::Kind::Folder:
    case ContextSpec::Kind::Image:
      break;
  }
  const While opening{"the build context"};
  return {os::Dir::open(spec.text), {}};
}

std::optional<std::string> read_context_file(const os::Dir& root, const std::string& name, std::uint64_t max_size) {
  auto fd = root.try_open_in_root(name, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::nullopt;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) throw system_error("stat " + name);
  if (!S_ISREG(st.st_mode)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} in the build context is no regular file", escape_control(name)));
  }
  return os::read_fd(fd->get(), max_size, name);
}

IgnoreRules read_context_ignore(const os::Dir& root) {
  for (const char* name : {".containerignore", ".dockerignore"}) {
    While reading{name};
    if (auto text = read_context_file(root, name, kMaxIgnoreFile)) return IgnoreRules(parse_ignore_file(*text));
  }
  return {};
}

}  // namespace proa::build
