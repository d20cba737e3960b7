// COPY and ADD.
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/sources/git_fetch.h"
#include "tools/build/stage_run.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/gathered.h"

namespace proa::build {

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
    select_sources(plan, tree, excludes, *gathered);
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
      Piece& piece = fetch_piece(url, plan, session_, *gathered);
      key.add("fetched", piece.tree->digest(piece.source, {})).add("time", std::to_string(piece.source.st.st_mtime));
    }
  }
  return gathered;
}

// What is fetched only when the step is not in the cache.
void StageRun::gather_rest(const TransferPlan& plan, const IgnoreRules& excludes, Gathered& gathered) {
  if (!plan.from.empty() && builder_.is_image(builder_.origin_of(planned_.index, plan.from))) {
    select_sources(plan, builder_.origin_tree(builder_.origin_of(planned_.index, plan.from)), excludes, gathered);
  }
  if (!plan.checksum.empty()) {
    for (const std::string& url : plan.urls) fetch_piece(url, plan, session_, gathered);
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
      add_repository(plan, plan.repositories[i], commits[i], session_, builder_.default_agent(), *gathered);
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
    owner = owner_of(plan.chown, names, true);
  } else {
    owner = owner_of(plan.chown, dir, plan.from.empty() || !gathered.trees.empty());
  }
  put_pieces(plan, excludes, gathered, session_, dir, owner);
  return root;
}

}  // namespace proa::build
