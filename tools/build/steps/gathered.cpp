#include "tools/build/steps/gathered.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/identity.h"
#include "tools/build/sources/git_fetch.h"
#include "tools/build/sources/http_fetch.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/session.h"
#include "tools/build/steps/unpack.h"

namespace proa::build {
namespace {

Piece& add_tree(Gathered& gathered, const os::Path& folder, const std::string& path, const std::string& name) {
  gathered.trees.push_back(std::make_unique<SourceTree>(os::Dir::open(folder), IgnoreRules(), escape_control(name)));
  SourceTree& tree = *gathered.trees.back();
  std::vector<Source> found = tree.select(path);
  gathered.pieces.push_back({&tree, std::move(found.at(0)), true, {}});
  return gathered.pieces.back();
}

}  // namespace

// Files of the context become root's, those of stages and images keep their owner.
std::optional<Ownership> owner_of(const std::string& text, const os::Dir& root, bool from_context) {
  if (text.empty()) return from_context ? std::optional(Ownership{}) : std::nullopt;
  runtime::Identity identity = runtime::resolve_identity(text, {}, root);
  // A number alone stands for the group too, as the reference has it.
  bool number_alone = text.find_first_not_of("0123456789") == std::string::npos;
  return Ownership{identity.uid, number_alone ? identity.uid : identity.gid};
}

void select_sources(const TransferPlan& plan, SourceTree& tree, const IgnoreRules& excludes, Gathered& gathered) {
  for (const std::string& pattern : plan.sources) {
    for (Source& source : tree.select(pattern, plan.parents ? Stars::Folders : Stars::Names)) {
      bool named = source.is_folder() && !is_pattern(pattern);
      if (!named && excludes.ignores(source.base_name())) continue;
      gathered.pieces.push_back({&tree, std::move(source), false, {}});
      if (plan.parents) gathered.pieces.back().depth = pivot_depth(pattern);
    }
  }
  if (gathered.pieces.empty() && !plan.sources.empty() && excludes.empty()) {
    throw Error(ErrorCode::NotFound,
                fmt::format("{}: no such file in {}", escape_control(join(plan.sources, ", ")), tree.name()));
  }
}

Piece& fetch_piece(const std::string& url, const TransferPlan& plan, Session& session, Gathered& gathered) {
  os::Path folder = session.scratch_dir("url"), path = os::join(folder, "fetched");
  FetchedFile file = fetch_url(url, path);
  if (file.name.empty()) {
    if (plan.into_folder) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("{} has no file name: give the destination one",
                                                          escape_control(without_credentials(url))));
    }
    file.name = "file";
  }
  struct timespec both[2] = {{file.modified, 0}, {file.modified, 0}};
  if (::utimensat(AT_FDCWD, path.c_str(), both, 0) != 0) throw system_error("set times of " + path);
  std::string named = os::join(folder, file.name);
  if (file.name != "fetched" && ::rename(path.c_str(), named.c_str()) != 0) throw system_error("rename " + named);
  Piece& piece = add_tree(gathered, folder, file.name, without_credentials(url));
  if (!plan.checksum.empty()) {
    std::string found = piece.tree->content_digest(piece.source);
    if (found != plan.checksum) {
      throw Error(ErrorCode::Corrupt, fmt::format("{}: the digest is {}, not {}",
                                                  escape_control(without_credentials(url)), found, plan.checksum));
    }
  }
  return piece;
}

void add_repository(const TransferPlan& plan, const GitRef& ref, const std::string& commit, Session& session,
                    const std::string& agent, Gathered& gathered) {
  os::Path folder = session.scratch_dir("git");
  checkout_commit(ref, commit, folder, plan.keep_git_dir, agent);
  add_tree(gathered, folder, ref.subdir.empty() ? "." : ref.subdir, without_credentials(ref.remote));
}

void put_pieces(const TransferPlan& plan, const IgnoreRules& excludes, const Gathered& gathered, Session& session,
                const os::Dir& dir, std::optional<Ownership> owner) {
  std::size_t count = gathered.pieces.size() + plan.files.size();
  CopyRequest request{plan.destination, plan.into_folder || count > 1, Owner(session.plan().mode, owner), plan.mode(),
                      excludes};
  CopyFiles files(dir, request);
  for (const Piece& piece : gathered.pieces) {
    std::unique_ptr<io::Source> tar = plan.unpacks(piece.fetched) ? open_archive(*piece.tree, piece.source) : nullptr;
    if (tar) {
      unpack_archive(*tar, *piece.tree, piece.source, files, session, !plan.chown.empty() || request.mode.has_value());
    } else if (piece.depth) {
      files.copy_kept(*piece.tree, piece.source, kept_path(piece));
    } else {
      files.copy(*piece.tree, piece.source);
    }
  }
  for (const InlineFile& file : plan.files) files.write(file.name, file.content);
}

std::string kept_path(const Piece& piece) {
  std::string path = piece.source.path;
  for (std::size_t i = 0; i < piece.depth.value_or(0); ++i) {
    auto pair = cut(path, "/");
    path = pair ? std::string(pair->second) : std::string();
  }
  return path;
}

}  // namespace proa::build
