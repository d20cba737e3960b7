#include "tools/build/stage_run.h"

#include <fmt/core.h>

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

StageRun::StageRun(Builder& builder, const PlannedStage& planned, std::string label)
    : builder_(builder),
      session_(builder.session()),
      planned_(planned),
      stage_(builder.file().stages[planned.index]),
      label_(std::move(label)),
      state_{{},
             Scope(builder.build_args(), builder.plan().global_args, builder.plan().platform_args,
                   builder.file().escape)} {}

void StageRun::set_snapshot(Snapshot snapshot) {
  state_.config = std::move(snapshot.config);
  layers_ = std::move(snapshot.layers);
  top_ = std::move(snapshot.top);
}

KeyBuilder StageRun::key(std::string_view kind, bool on_any_parent) {
  KeyBuilder builder(kind);
  builder.add("parent", on_any_parent ? "any" : top_ ? top_->str() : "scratch");
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

bool StageRun::cached(const std::string& key, const oci::History& history, Session::Parent made_on) {
  const auto& uncached = builder_.request().uncached;
  if (uncached.contains(stage_.from.name) || uncached.contains(std::to_string(planned_.index))) return false;
  auto found = session_.find_step(key, snapshot(), history, made_on);
  if (!found) return false;
  builder_.progress().cached(progress_);
  set_snapshot(std::move(*found));
  return true;
}

void StageRun::commit(const std::string& key, WorkRoot root, oci::History history, Session::Parent made_on) {
  set_snapshot(session_.commit_step(key, snapshot(), std::move(root), std::move(history), made_on));
}

void StageRun::add_triggers() {
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
      std::string text = "ONBUILD " + instruction.original;
      steps_.push_back({std::move(instruction), text, shown(text)});
    }
  }
}

void StageRun::start() {
  const std::string& file = builder_.request().file_name;
  While starting{[&] { return fmt::format("{}:{}", escape_control(file), stage_.source.first_line); }};
  Progress::Id from = builder_.progress().start(label_, stage_.source.original);
  FinishedStage base = builder_.base_of(planned_);
  builder_.progress().done(from);
  base_layers_ = base.base_layers;
  set_snapshot(std::move(base.snapshot));
  state_.scope.inherit(std::move(base.arguments));
  add_triggers();
  for (const Instruction& instruction : stage_.instructions) {
    steps_.push_back(
        {instruction, instruction.original,
         fmt::format("{}:{}: {}", escape_control(file), instruction.first_line, shown(instruction.original))});
  }
  started_ = true;
}

// Whether the step needs the files of a stage that is not finished.
bool StageRun::must_wait(const Step& step) {
  for (const std::string& from : froms_of(step.instruction)) {
    Origin origin = builder_.origin_of(planned_.index, word(from));
    if (origin.kind != Origin::Kind::Stage || builder_.finished(origin.stage) != nullptr) continue;
    if (!builder_.plan().has(origin.stage)) {
      throw Error(ErrorCode::Unsupported, fmt::format("the stage {} is not built", escape_control(from)));
    }
    waits_for_ = origin.stage;
    return true;
  }
  return false;
}

StageRun::Next StageRun::advance() {
  if (!started_) {
    if (planned_.base.kind == Origin::Kind::Stage && builder_.finished(planned_.base.stage) == nullptr) {
      waits_for_ = planned_.base.stage;
      return Next::Wait;
    }
    start();
  }
  for (; !steps_.empty(); steps_.pop_front()) {
    const Step& step = steps_.front();
    While running{[&] { return step.place; }};
    if (must_wait(step)) return Next::Wait;
    progress_ = builder_.progress().start(label_, step.shown);
    try {
      work_ = perform(step.instruction);
    } catch (const Error& error) {
      builder_.progress().failed(progress_, error.text());
      throw;
    }
    if (work_) return Next::Work;
    builder_.progress().done(progress_);
  }
  builder_.finish(planned_.index, {snapshot(), base_layers_, state_.scope.declared()});
  return Next::Finished;
}

void StageRun::work() {
  While running{[&] { return steps_.front().place; }};
  try {
    std::exchange(work_, {})();
  } catch (const Error& error) {
    builder_.progress().failed(progress_, error.text());
    throw;
  }
  builder_.progress().done(progress_);
  steps_.pop_front();
}

StageRun::Work StageRun::perform(const Instruction& instruction) {
  if (const auto* files = std::get_if<Transfer>(&instruction.meaning)) return transfer(*files);
  if (const auto* run = std::get_if<Run>(&instruction.meaning)) return command(*run);
  if (const auto* folder = std::get_if<WorkDir>(&instruction.meaning)) return workdir(*folder);
  std::optional<std::string> text = apply_metadata(instruction, state_);
  PROA_CHECK(text.has_value());
  oci::History entry = history(*text);
  entry.empty_layer = true;
  state_.config.history.push_back(std::move(entry));
  return {};
}

StageRun::Work StageRun::workdir(const WorkDir& workdir) {
  std::string path = join_workdir(state_.config.working_dir, word(workdir.path));
  state_.config.working_dir = path;
  oci::History entry = history("WORKDIR " + path);
  if (path == "/") {
    entry.empty_layer = true;
    state_.config.history.push_back(std::move(entry));
    return {};
  }
  std::string step = key("workdir").add("path", path).add("user", state_.config.user).finish();
  if (cached(step, entry)) return {};
  return [this, path, step, entry] {
    WorkRoot root = session_.open_root(snapshot());
    os::Dir dir = root.dir();
    if (!dir.try_open_in_root(path, O_PATH | O_DIRECTORY)) {
      runtime::Identity owner = runtime::resolve_identity(state_.config.user, {}, dir);
      os::UniqueFd made = dir.make_dirs_in_root(path, 0755);
      Owner(session_.plan().mode, Ownership{owner.uid, owner.gid}).apply(made.get(), path);
    }
    commit(step, std::move(root), entry);
  };
}

}  // namespace proa::build
