// cp: files between a container and here, another container, or a tar stream. Links of a container are resolved inside
// of it (CVE-2018-15664, CVE-2019-14271: nothing of the container is run or loaded, and no path is resolved twice).
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/volumes.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/copy_files.h"
#include "tools/run/engine/root_view.h"
#include "tools/run/engine/tar_input.h"

namespace proa::commands {
namespace {

constexpr int kMaxLinks = 40;

struct CpOptions {
  std::vector<std::string> words;  // SOURCE DESTINATION
  std::optional<bool> archive;
  bool follow = false, quiet = false, overwrite = false, extract = false, pause = false;
};

// One side as typed.
struct Side {
  std::string container;  // empty: here
  std::string path;       // absolute and clean
  bool stream = false;    // "-"
  bool contents = false;  // ended in "/."
  bool folder = false;    // ended in "/"

  std::string base_name() const { return path.substr(path.rfind('/') + 1); }
  std::string describe() const { return escape_control(container.empty() ? path : container + ":" + path); }
};

Side parse_side(const std::string& text) {
  Side side;
  if (text == "-") {
    side.stream = true;
    return side;
  }
  if (text.empty()) throw Error(ErrorCode::InvalidArgument, "a path is empty");
  const auto parts = cut(text, ":");
  const bool local =
      !parts || text.front() == '/' || text.front() == '.' || parts->first.find('/') != std::string::npos;
  std::string path = local ? text : std::string(parts->second);
  if (!local) side.container = parts->first;
  if (!local && (side.container.empty() || path.empty())) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is not CONTAINER:PATH", text));
  }
  side.contents = path == "." || path.ends_with("/.");
  side.folder = path.ends_with('/') || side.contents;
  if (!path.starts_with('/')) path = (local ? os::read_link("/proc/self/cwd") : std::string()) + "/" + path;
  side.path = spec::clean_path(path);
  return side;
}

// What a path leads to in its root, the last component's links followed.
struct Found {
  std::string path;
  std::optional<os::UniqueFd> fd;  // O_PATH
  bool folder = false;
};

Found look_up(const os::Dir& root, const std::string& typed) {
  Found found{typed, std::nullopt, false};
  for (int links = 0; links < kMaxLinks; ++links) {
    found.fd = root.try_open_in_root(found.path, O_PATH | O_NOFOLLOW);
    if (!found.fd) return found;
    const auto mode = os::stat("", found.fd->get(), AT_EMPTY_PATH).st_mode;
    found.folder = S_ISDIR(mode);
    if (!S_ISLNK(mode)) return found;
    const std::string target = os::read_link("", found.fd->get());
    found.path = target.starts_with('/') ? target : found.path.substr(0, found.path.rfind('/') + 1) + target;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}: too many links", escape_control(typed)));
}

os::UniqueFd open_folder(const os::Dir& root, const std::string& path) {
  return root.open_in_root(path, O_RDONLY | O_DIRECTORY);
}

Found need(const os::Dir& root, const Side& side) {
  Found found = look_up(root, side.path);
  if (!found.fd) throw Error(ErrorCode::NotFound, fmt::format("{}: no such file or folder", side.describe()));
  if (side.folder && !found.folder) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no folder", side.describe()));
  }
  return found;
}

// The folder that holds it, and its name there.
std::pair<os::UniqueFd, std::string> parent_of(const os::Dir& root, const std::string& path, const Side& side) {
  try {
    return root.open_parent_in_root(path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    throw Error(ErrorCode::NotFound, fmt::format("{}: the folder that is to hold it does not exist", side.describe()),
                "make it first");
  }
}

void copy_between(const os::Dir& from_root, const Side& from, const os::Dir& to_root, const Side& to,
                  const engine::CopyRules& rules) {
  const Found source = need(from_root, from);
  const Found target = look_up(to_root, to.path);
  const bool whole_root = source.path == "/" || source.path == ".";
  if (target.fd && target.folder) {
    const auto into = open_folder(to_root, target.path);
    if (source.folder && (from.contents || whole_root)) {
      return engine::copy_contents(open_folder(from_root, source.path).get(), into.get(), rules);
    }
    const auto [parent, name] = from_root.open_parent_in_root(source.path);
    return engine::copy_entry(parent.get(), name, into.get(), from.base_name(), rules);
  }
  if (to.folder && !(source.folder && !target.fd)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no folder", to.describe()));
  }
  const auto [to_parent, to_name] = parent_of(to_root, target.path, to);
  if (whole_root) {
    if (::mkdirat(to_parent.get(), to_name.c_str(), 0755) < 0) throw system_error("mkdir " + to.describe());
    const auto made = os::open(to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, to_parent.get());
    return engine::copy_contents(open_folder(from_root, source.path).get(), made.get(), rules);
  }
  const auto [parent, name] = from_root.open_parent_in_root(source.path);
  engine::copy_entry(parent.get(), name, to_parent.get(), to_name, rules);
}

void copy_to_stream(const os::Dir& root, const Side& from) {
  const Found source = need(root, from);
  io::FdSink sink(open_output("-"), "standard output");
  archive::MakeOptions options;
  options.whiteouts = archive::WhiteoutStyle::Plain;
  if (source.folder) {
    if (!from.contents) options.prefix = from.base_name();
    options.root_entry = !options.prefix.empty();
    archive::make_layer(os::Dir(open_folder(root, source.path), from.path), sink, options);
    return;
  }
  auto [parent, name] = root.open_parent_in_root(source.path);
  options.only = name;
  archive::make_layer(os::Dir(std::move(parent), from.path), sink, options);
}

void copy_from_stream(engine::TarInput& tar, const os::Dir& root, const Side& to, os::IdMode mode) {
  const Found target = look_up(root, to.path);
  if (!target.fd || !target.folder) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no folder", to.describe()),
                "an archive is unpacked into a folder that exists");
  }
  archive::ApplyOptions options;
  options.mode = mode;
  options.whiteouts = archive::WhiteoutStyle::Plain;
  archive::apply_layer(tar.source(), os::Dir(open_folder(root, target.path), to.path), options);
  tar.finish();
}

// A container's root, or ours.
class Root {
 public:
  Root(const engine::Containers& containers, const std::optional<engine::Container>& container,
       const os::UserNamespacePlan& ids) {
    if (container) {
      view_.emplace(containers, *container, ids, engine::RootView::Mounts::With);
    } else {
      here_.emplace(os::Dir::open("/"));
    }
  }
  const os::Dir& dir() const { return view_ ? view_->root() : *here_; }

 private:
  std::optional<engine::RootView> view_;
  std::optional<os::Dir> here_;
};

int cp(cli::Context&, const CpOptions& options) {
  const Side from = parse_side(options.words[0]);
  const Side to = parse_side(options.words[1]);
  if (from.container.empty() && to.container.empty()) {
    throw Error(ErrorCode::InvalidArgument, "neither side is in a container", "proa cp CONTAINER:PATH PATH");
  }
  const auto containers = open_containers();
  std::optional<engine::Container> source, target;
  if (!from.container.empty()) source = containers.get(from.container);
  if (!to.container.empty()) target = containers.get(to.container);
  std::optional<engine::TarInput> tar;
  if (from.stream) tar.emplace(engine::open_archive_file("-"), "standard input");
  std::vector<const engine::Container*> wanted;
  for (const auto* one : {&source, &target}) {
    if (*one) wanted.push_back(&**one);
  }
  const auto ids = engine::enter_for(containers, wanted);
  engine::CopyRules rules;
  rules.overwrite = options.overwrite;
  // What comes in belongs to the user of the container, as with podman.
  if (target) rules.owner = options.archive.value_or(true) ? engine::owner_of_files(*target) : engine::FileOwner{};
  if (from.stream) {
    copy_from_stream(*tar, Root(containers, target, ids).dir(), to, ids.mode);
  } else if (to.stream) {
    copy_to_stream(Root(containers, source, ids).dir(), from);
  } else {
    const Root from_root(containers, source, ids);
    const bool same = source && target && source->id() == target->id();
    if (same) {
      copy_between(from_root.dir(), from, from_root.dir(), to, rules);
    } else {
      copy_between(from_root.dir(), from, Root(containers, target, ids).dir(), to, rules);
    }
  }
  return 0;
}

}  // namespace

cli::Command cp_command() {
  return cli::command<CpOptions>("cp", "Copy files into a container or out of it")
      .flag("archive,a", &CpOptions::archive, "Files belong to the container's user, not to root (default true)")
      .flag("follow-link,L", &CpOptions::follow, "Follow a link that is given as source, which is always done")
      .flag("overwrite", &CpOptions::overwrite, "A folder may take the place of a file, and the other way round")
      .flag("quiet,q", &CpOptions::quiet, "No progress, of which there is none")
      .flag("extract", &CpOptions::extract, "An archive from standard input is always unpacked")
      .hide_last()
      .flag("pause", &CpOptions::pause, "Accepted: the container goes on")
      .hide_last()
      .positionals("CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH", &CpOptions::words, 2, 2, cli::Complete::File)
      .runs(cp);
}

}  // namespace proa::commands
