#include "tools/build/stage_run.h"

#include <fmt/format.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/identity.h"
#include "tools/build/steps/copy_files.h"

namespace proa::build {
namespace {

constexpr std::size_t kShownLine = 120;

std::string shown(std::string_view line) {
  std::string text(line.substr(0, kShownLine));
  return escape_control(text) + (text.size() < line.size() ? "..." : "");
}

}  // namespace

StageRun::StageRun(Builder& builder, std::size_t index, std::string label, Snapshot base)
    : builder_(builder),
      session_(builder.session()),
      index_(index),
      label_(std::move(label)),
      state_{std::move(base.config), Scope(builder.build_args(), builder.plan().global_args,
                                           builder.plan().platform_args, builder.file().escape)},
      layers_(std::move(base.layers)),
      top_(std::move(base.top)) {}

Snapshot StageRun::snapshot() const { return {state_.config, layers_, top_}; }

Snapshot StageRun::take() { return snapshot(); }

void StageRun::set_snapshot(Snapshot snapshot) {
  state_.config = std::move(snapshot.config);
  layers_ = std::move(snapshot.layers);
  top_ = std::move(snapshot.top);
}

KeyBuilder StageRun::key(std::string_view kind) {
  KeyBuilder builder(kind);
  builder.add("parent", top_ ? top_->str() : "scratch");
  const Timestamps& times = session_.times();
  if (times.fixed) builder.add("time", times.created()).add("times", times.set_all ? "all" : "newer");
  return builder;
}

oci::History StageRun::history(std::string text) const {
  oci::History history;
  // A step without files has no time of its own: a build from the cache shall give the same image again.
  history.created = session_.times().fixed ? session_.times().created() : state_.config.created;
  history.created_by = std::move(text);
  return history;
}

bool StageRun::cached(const std::string& key, const oci::History& history) {
  auto found = session_.find_step(key, snapshot(), history);
  if (!found) return false;
  builder_.progress().cached();
  set_snapshot(std::move(*found));
  return true;
}

void StageRun::run_triggers() {
  std::vector<std::string> triggers = std::move(state_.config.on_build);
  state_.config.on_build.clear();
  for (const std::string& trigger : triggers) {
    While running{[&] { return fmt::format("ONBUILD {}", shown(trigger)); }};
    SyntaxTree tree = parse_syntax(trigger, "ONBUILD of the base image");
    builder_.progress().expect(tree.nodes.size());
    for (const Node& node : tree.nodes) {
      Instruction instruction = parse_instruction(node);
      if (std::holds_alternative<From>(instruction.meaning) || std::holds_alternative<OnBuild>(instruction.meaning)) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("{} isn't allowed as an ONBUILD trigger", to_upper(instruction.name)));
      }
      builder_.progress().step(label_, "ONBUILD " + instruction.original);
      perform(instruction);
    }
  }
}

void StageRun::run(const Instruction& instruction) {
  While running{[&] {
    return fmt::format("{}:{}: {}", escape_control(builder_.request().file_name), instruction.first_line,
                       shown(instruction.original));
  }};
  builder_.progress().step(label_, instruction.original);
  perform(instruction);
}

void StageRun::perform(const Instruction& instruction) {
  if (const auto* files = std::get_if<Transfer>(&instruction.meaning)) return transfer(instruction, *files);
  if (const auto* run = std::get_if<Run>(&instruction.meaning)) return command(instruction, *run);
  if (const auto* folder = std::get_if<WorkDir>(&instruction.meaning)) return workdir(*folder);
  std::optional<std::string> text = apply_metadata(instruction, state_);
  PROA_CHECK(text.has_value());
  oci::History entry = history(*text);
  entry.empty_layer = true;
  state_.config.history.push_back(std::move(entry));
}

void StageRun::workdir(const WorkDir& workdir) {
  std::string path = join_workdir(state_.config.working_dir, word(workdir.path));
  state_.config.working_dir = path;
  oci::History entry = history("WORKDIR " + path);
  if (path == "/") {
    entry.empty_layer = true;
    state_.config.history.push_back(std::move(entry));
    return;
  }
  std::string step = key("workdir").add("path", path).add("user", state_.config.user).finish();
  if (cached(step, entry)) return;
  Snapshot before = snapshot();
  WorkRoot root = session_.open_root(before);
  {
    os::Dir dir = root.dir();
    if (!dir.try_open_in_root(path, O_PATH | O_DIRECTORY)) {
      runtime::Identity owner = runtime::resolve_identity(state_.config.user, {}, dir);
      os::UniqueFd made = dir.make_dirs_in_root(path, 0755);
      Owner(session_.plan().mode, Ownership{owner.uid, owner.gid}).apply(made.get(), path);
    }
  }
  set_snapshot(session_.commit_step(step, before, std::move(root), std::move(entry)));
}

}  // namespace proa::build
