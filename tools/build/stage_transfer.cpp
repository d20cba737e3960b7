// COPY and ADD.
#include <fmt/format.h>
#include <sys/stat.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/identity.h"
#include "tools/build/sources/git_fetch.h"
#include "tools/build/sources/http_fetch.h"
#include "tools/build/stage_run.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/gathered.h"
#include "tools/build/steps/unpack.h"

namespace proa::build {
namespace {

// Files of the context become root's, those of stages and images keep their owner.
std::optional<Ownership> parse_owner(const std::string& text, const os::Dir& root, bool from_context) {
  if (text.empty()) return from_context ? std::optional(Ownership{}) : std::nullopt;
  runtime::Identity identity = runtime::resolve_identity(text, {}, root);
  // A number alone stands for the group too, as the reference has it.
  bool number_alone = text.find_first_not_of("0123456789") == std::string::npos;
  return Ownership{identity.uid, number_alone ? identity.uid : identity.gid};
}

// What the instruction names in one tree. A pattern may fit nothing, but not all of them.
void select(const TransferPlan& plan, SourceTree& tree, const IgnoreRules& excludes, Gathered& gathered) {
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

Piece& add_tree(Gathered& gathered, const os::Path& folder, const std::string& path, const std::string& name) {
  gathered.trees.push_back(std::make_unique<SourceTree>(os::Dir::open(folder), IgnoreRules(), escape_control(name)));
  SourceTree& tree = *gathered.trees.back();
  std::vector<Source> found = tree.select(path);
  gathered.pieces.push_back({&tree, std::move(found.at(0)), true, {}});
  return gathered.pieces.back();
}

Piece& fetch(const std::string& url, const TransferPlan& plan, Session& session, Gathered& gathered) {
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

}  // namespace

// What goes into the cache key, and what had to be fetched for that.
std::shared_ptr<Gathered> StageRun::gather(const TransferPlan& plan, const IgnoreRules& excludes, KeyBuilder& key) {
  auto gathered = std::make_shared<Gathered>();
  if (!plan.from.empty() && builder_.is_image(builder_.origin_of(planned_.index, plan.from))) {
    Origin origin = builder_.origin_of(planned_.index, plan.from);
    if (origin.kind == Origin::Kind::Scratch) throw Error(ErrorCode::InvalidArgument, "scratch has no files to copy");
    // A chain id stands for the content of all its files.
    const Snapshot& from = builder_.origin_snapshot(origin);
    key.add("from", from.top ? from.top->str() : "scratch").add("sources", plan.sources);
  } else if (!plan.sources.empty()) {
    SourceTree& tree =
        plan.from.empty() ? builder_.context() : builder_.origin_tree(builder_.origin_of(planned_.index, plan.from));
    select(plan, tree, excludes, *gathered);
    for (const Piece& piece : gathered->pieces) {
      if (piece.depth) key.add("kept", kept_path(piece));
      key.add("source", tree.digest(piece.source, excludes));
    }
  }
  for (const std::string& url : plan.urls) {
    key.add("url", url);
    if (!plan.checksum.empty()) {
      key.add("checksum", plan.checksum);
    } else {
      Piece& piece = fetch(url, plan, session_, *gathered);
      key.add("fetched", piece.tree->digest(piece.source, {})).add("time", std::to_string(piece.source.st.st_mtime));
    }
  }
  return gathered;
}

// What is fetched only when the step is not in the cache.
void StageRun::gather_rest(const TransferPlan& plan, const IgnoreRules& excludes, Gathered& gathered) {
  if (!plan.from.empty() && builder_.is_image(builder_.origin_of(planned_.index, plan.from))) {
    select(plan, builder_.origin_tree(builder_.origin_of(planned_.index, plan.from)), excludes, gathered);
  }
  if (!plan.checksum.empty()) {
    for (const std::string& url : plan.urls) fetch(url, plan, session_, gathered);
  }
}

StageRun::Work StageRun::transfer(const Transfer& transfer) {
  TransferPlan plan = plan_transfer(transfer, state_);
  for (GitRef& ref : plan.repositories) {
    if (!plan.checksum.empty()) ref.checksum = plan.checksum;
    if (ref.keep_git_dir) plan.keep_git_dir = plan.keep_git_dir || *ref.keep_git_dir;
  }
  IgnoreRules excludes(plan.excludes);
  KeyBuilder builder = key(plan.add ? "add" : "copy", plan.link);
  builder.add("plan", plan.key_words());
  for (const InlineFile& file : plan.files) builder.add(file.name, file.content);
  std::shared_ptr<Gathered> gathered = gather(plan, excludes, builder);
  std::vector<std::string> commits;
  for (const GitRef& ref : plan.repositories) {
    commits.push_back(resolve_commit(ref, builder_.default_agent()));
    builder.add("commit", commits.back()).add("folder", ref.subdir);
  }
  if (plan.link && !plan.chown.empty() && !Owner::is_number(plan.chown)) builder.add("names", top_ ? top_->str() : "");
  std::string step = builder.finish();
  oci::History entry = history(plan.history(transfer));
  Session::Parent made_on = plan.link ? Session::Parent::Any : Session::Parent::Same;
  if (cached(step, entry, made_on)) return {};
  return [this, plan = std::move(plan), excludes = std::move(excludes), gathered, commits, step, entry, made_on] {
    gather_rest(plan, excludes, *gathered);
    for (std::size_t i = 0; i < commits.size(); ++i) {
      const GitRef& ref = plan.repositories[i];
      os::Path folder = session_.scratch_dir("git");
      checkout_commit(ref, commits[i], folder, plan.keep_git_dir, builder_.default_agent());
      add_tree(*gathered, folder, ref.subdir.empty() ? "." : ref.subdir, without_credentials(ref.remote));
    }
    commit(step, put_files(plan, excludes, *gathered), entry, made_on);
  };
}

WorkRoot StageRun::put_files(const TransferPlan& plan, const IgnoreRules& excludes, const Gathered& gathered) {
  WorkRoot root = plan.link ? session_.open_plain_root() : session_.open_root(snapshot());
  os::Dir dir = root.dir();
  std::optional<Ownership> owner;
  if (plan.link && !plan.chown.empty() && !Owner::is_number(plan.chown)) {
    os::Dir names(session_.mount_read_only(snapshot()), "the image");
    owner = parse_owner(plan.chown, names, true);
  } else {
    owner = parse_owner(plan.chown, dir, plan.from.empty() || !gathered.trees.empty());
  }
  std::size_t count = gathered.pieces.size() + plan.files.size();
  CopyRequest request{plan.destination, plan.into_folder || count > 1, Owner(session_.plan().mode, owner), plan.mode(),
                      excludes};
  CopyFiles files(dir, request);
  for (const Piece& piece : gathered.pieces) {
    std::unique_ptr<io::Source> tar = plan.unpacks(piece.fetched) ? open_archive(*piece.tree, piece.source) : nullptr;
    if (tar) {
      unpack_archive(*tar, *piece.tree, piece.source, files, session_, !plan.chown.empty() || request.mode.has_value());
    } else if (piece.depth) {
      files.copy_kept(*piece.tree, piece.source, kept_path(piece));
    } else {
      files.copy(*piece.tree, piece.source);
    }
  }
  for (const InlineFile& file : plan.files) files.write(file.name, file.content);
  return root;
}

}  // namespace proa::build
