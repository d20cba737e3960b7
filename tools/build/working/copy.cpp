// copy and add.
#include <fmt/core.h>

#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/base_image.h"
#include "tools/build/cache/key.h"
#include "tools/build/sources/context.h"
#include "tools/build/sources/git_fetch.h"
#include "tools/build/steps/gathered.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

struct CopyOptions : PlaceOptions {
  std::vector<std::string> positionals, excludes;
  std::string chown, chmod, from, checksum, moot_value;
  std::optional<std::string> contextdir, ignorefile;
  bool parents = false, link = false, add_history = false, quiet = false, moot = false;
};

constexpr std::uint64_t kMaxIgnoreFile = 1u << 20;

os::Path working_directory() {
  char* cwd = ::get_current_dir_name();
  os::Path path = cwd != nullptr ? cwd : "/";
  ::free(cwd);
  return path;
}

Transfer as_transfer(const CopyOptions& options, bool add) {
  Transfer transfer;
  transfer.add = add;
  transfer.sources.assign(options.positionals.begin() + 1, options.positionals.end());
  if (transfer.sources.size() > 1) {
    transfer.destination = transfer.sources.back();
    transfer.sources.pop_back();
  } else {
    transfer.destination.assign("./");
  }
  if (transfer.sources.size() > 1 && !transfer.destination.ends_with('/')) transfer.destination += '/';
  transfer.chown = options.chown;
  transfer.chmod = options.chmod;
  transfer.checksum = options.checksum;
  transfer.parents = options.parents;
  transfer.excludes = options.excludes;
  return transfer;
}

// Paths are those of the host, from here, unless a context is given.
SourceTree host_tree(const CopyOptions& options, TransferPlan& plan) {
  IgnoreRules rules;
  if (options.ignorefile) rules = IgnoreRules(parse_ignore_file(os::read_file(*options.ignorefile, kMaxIgnoreFile)));
  if (options.contextdir) return {os::Dir::open(*options.contextdir), std::move(rules), "the context"};
  for (std::string& source : plan.sources) {
    if (!source.starts_with('/')) source = working_directory() + "/" + source;
  }
  return {os::Dir::open("/"), std::move(rules), "the host"};
}

cli::ExitCode transfer(const CopyOptions& options, bool add) {
  WorkSession work(options);
  WorkingContainer& container = work.open(options.positionals[0]);
  Session& session = work.session();
  Transfer written = as_transfer(options, add);
  BuildArgs no_args{Variables()};
  Variables none;
  // Nothing is expanded: a shell did that.
  StageState state{{}, Scope(no_args, none, none, '\0')};
  state.config.working_dir = container.config.working_dir;
  TransferPlan plan = plan_transfer(written, state);
  session.enter();
  IgnoreRules excludes(plan.excludes);
  Gathered gathered;
  std::optional<SourceTree> tree;
  if (!options.from.empty()) {
    tree.emplace(
        os::Dir(session.mount_read_only(load_base_image(session, options.from, PullPolicy::Missing)), options.from),
        IgnoreRules(), "the image");
  } else if (!plan.sources.empty()) {
    tree.emplace(host_tree(options, plan));
  }
  if (tree) select_sources(plan, *tree, excludes, gathered);
  for (const std::string& url : plan.urls) fetch_piece(url, plan, session, gathered);
  for (GitRef& ref : plan.repositories) {
    if (!plan.checksum.empty()) ref.checksum = plan.checksum;
    add_repository(plan, ref, resolve_commit(ref, ""), session, "", gathered);
  }
  KeyBuilder content("copied");
  for (const Piece& piece : gathered.pieces) content.add("source", piece.tree->digest(piece.source, excludes));
  WorkRoot root = work.root();
  os::Dir dir = root.dir();
  put_pieces(plan, excludes, gathered, session, dir, owner_of(plan.chown, dir, options.from.empty()));
  work.add_history(options.add_history, plan.history(written));
  work.save();
  if (!options.quiet) fmt::print("{}\n", content.finish());
  return 0;
}

cli::Command make_command(const char* name, const char* summary, bool add) {
  using O = CopyOptions;
  auto builder = cli::command<O>(name, summary);
  builder.positionals("CONTAINER SOURCE... [DESTINATION]", &O::positionals, 2, cli::kAnyNumber, cli::Complete::File)
      .value("chown", &O::chown, "Owner of what is copied", "USER[:GROUP]")
      .value("chmod", &O::chmod, "Mode of what is copied", "MODE")
      .value("from", &O::from, "Copy from an image", "IMAGE")
      .value("contextdir", &O::contextdir, "Folder that sources are in", "FOLDER", cli::Complete::Directory)
      .value("ignorefile", &O::ignorefile, "What to leave out", "PATH", cli::Complete::File)
      .value("exclude", &O::excludes, "Leave out what fits", "PATTERN")
      .value("checksum", &O::checksum, "Digest of what is fetched", "DIGEST")
      .flag("parents", &O::parents, "Keep the folders of sources")
      .flag("link", &O::link, "Accepted: there is one layer for all")
      .flag("add-history", &O::add_history, "Add this to the image's history")
      .flag("quiet,q", &O::quiet, "Do not print the digest of what was copied")
      .with(declare_places<O>);
  for (const char* flag : {"retry", "retry-delay", "timestamp", "cert-dir"}) {
    builder.value(flag, &O::moot_value, "Accepted for compatibility", "VALUE").hide_last();
  }
  builder.flag("tls-verify", &O::moot, "Accepted for compatibility").hide_last();
  return builder.runs([add](cli::Context&, const O& options) { return transfer(options, add); });
}

}  // namespace

cli::Command copy_verb() { return make_command("copy", "Copy files into a working container", false); }
cli::Command add_verb() {
  return make_command("add", "Add files, archives, URLs or git repositories to a working container", true);
}

}  // namespace proa::build
