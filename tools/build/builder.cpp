#include "tools/build/builder.h"

#include <fmt/format.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "tools/build/base_image.h"
#include "tools/build/stage_run.h"

namespace proa::build {

Builder::Builder(Session& session, Progress& progress, const BuildRequest& request, SourceTree* context)
    : session_(session),
      progress_(progress),
      request_(request),
      context_(context),
      file_(parse_containerfile(request.text, request.file_name)),
      build_args_(request.build_args) {
  oci::Platform host = oci::Platform::host();
  plan_ = plan_build(file_, {request.target, request.build_args, host, host}, request.file_name);
  if (context_ != nullptr) session_.on_enter([this] { context_->reopen(); });
  for (const std::string& warning : file_.warnings) log::warn(escape_control(warning));
  for (const PlannedStage& stage : plan_.stages) progress_.expect(file_.stages[stage.index].instructions.size() + 1);
  // Given for an ARG before the first FROM.
  for (const Arg& arg : file_.global_args) {
    for (const ArgItem& item : arg.items) build_args_.use(item.key);
  }
}

Snapshot Builder::build() {
  for (const PlannedStage& stage : plan_.stages) run_stage(stage);
  std::vector<std::string> unused = build_args_.unused();
  if (!unused.empty())
    log::warn(fmt::format("build arguments that no ARG takes: {}", escape_control(join(unused, ", "))));
  Snapshot result = finished_.at(plan_.stages.back().index);
  for (const KeyValue& label : request_.labels) result.config.labels[label.key] = label.value;
  return result;
}

Snapshot Builder::image_snapshot(const std::string& name) {
  auto known = images_.find(name);
  if (known == images_.end()) known = images_.emplace(name, load_base_image(session_, name, request_.pull)).first;
  return known->second;
}

Snapshot Builder::start_stage(const PlannedStage& planned) {
  int line = file_.stages[planned.index].source.first_line;
  While starting{[&] { return fmt::format("{}:{}", escape_control(request_.file_name), line); }};
  if (!planned.platform.empty() && !oci::match_rank(oci::Platform::host(), oci::Platform::parse(planned.platform))) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("building for {} is not supported on this machine", escape_control(planned.platform)));
  }
  switch (planned.base.kind) {
    case Origin::Kind::Stage:
      return finished_.at(planned.base.stage);
    case Origin::Kind::Image:
      return image_snapshot(planned.base.image);
    default:
      break;
  }
  Snapshot scratch;
  scratch.config.platform = oci::Platform::host();
  // As the peers have it: commands of such an image are found too.
  scratch.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return scratch;
}

const Snapshot& Builder::origin_snapshot(const Origin& origin) {
  if (origin.kind == Origin::Kind::Stage) return finished_.at(origin.stage);
  image_snapshot(origin.image);
  return images_.at(origin.image);
}

SourceTree& Builder::origin_tree(const Origin& origin) {
  bool stage = origin.kind == Origin::Kind::Stage;
  std::string name = stage ? fmt::format("stage {}", origin.stage) : "image " + origin.image;
  auto tree = trees_.find(name);
  if (tree == trees_.end()) {
    os::Dir root(session_.mount_read_only(origin_snapshot(origin)), name);
    tree =
        trees_.emplace(name, std::make_unique<SourceTree>(std::move(root), IgnoreRules(), escape_control(name))).first;
  }
  return *tree->second;
}

SourceTree& Builder::context() {
  if (context_ == nullptr) {
    throw Error(ErrorCode::InvalidArgument, "there is no build context: the Containerfile came from stdin",
                "name a folder as context and give the file with -f -");
  }
  return *context_;
}

void Builder::run_stage(const PlannedStage& planned) {
  const Stage& stage = file_.stages[planned.index];
  std::string label = plan_.stages.size() < 2 ? "" : fmt::format("{}/{}", planned.index + 1, file_.stages.size());
  progress_.step(label, stage.source.original);
  StageRun run(*this, planned.index, label, start_stage(planned));
  run.run_triggers();
  for (const Instruction& instruction : stage.instructions) run.run(instruction);
  finished_.insert_or_assign(planned.index, run.take());
}

}  // namespace proa::build
