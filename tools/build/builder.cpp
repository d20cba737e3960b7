#include "tools/build/builder.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "tools/build/base_image.h"
#include "tools/build/graph/schedule.h"
#include "tools/build/stage_run.h"

namespace proa::build {
namespace {

void apply_overrides(const BuildRequest& request, oci::ImageConfig& config) {
  for (const KeyValue& label : request.labels) config.labels[label.key] = label.value;
  for (const std::string& key : request.unset_labels) config.labels.erase(key);
  for (const KeyValue& pair : request.env) set_env(config.env, pair.key, pair.value);
  for (const std::string& key : request.unset_env) {
    std::erase_if(config.env, [&](const std::string& entry) { return entry.starts_with(key + "="); });
  }
}

}  // namespace

Builder::Builder(Session& session, Progress& progress, const BuildRequest& request, SourceTree* context)
    : session_(session),
      progress_(progress),
      request_(request),
      context_(context),
      file_(parse_containerfile(request.text, request.file_name)),
      build_args_(request.build_args) {
  oci::Platform host = oci::Platform::host();
  for (const auto& [name, spec] : request.contexts) context_names_.insert(name);
  plan_ = plan_build(file_, {request.target, request.build_args, host, host, context_names_}, request.file_name);
  if (context_ != nullptr) session_.on_enter([this] { context_->reopen(); });
  for (const PlannedStage& stage : plan_.stages) progress_.expect(file_.stages[stage.index].instructions.size() + 1);
  // Given for an ARG before the first FROM.
  for (const Arg& arg : file_.global_args) {
    for (const ArgItem& item : arg.items) build_args_.use(item.key);
  }
}

FinishedStage Builder::build() {
  Schedule schedule(baton_, std::max(1U, request_.jobs));
  for (const PlannedStage& stage : plan_.stages) {
    std::string label = plan_.stages.size() < 2 ? "" : fmt::format("{}/{}", stage.index + 1, file_.stages.size());
    schedule.add(stage.index, std::make_unique<StageRun>(*this, stage, std::move(label)));
  }
  if (!schedule.look()) {
    session_.enter();
    schedule.run();
  }
  std::vector<std::string> unused = build_args_.unused();
  if (!unused.empty())
    log::warn(fmt::format("build arguments that no ARG takes: {}", escape_control(join(unused, ", "))));
  FinishedStage result = finished_.at(plan_.stages.back().index);
  apply_overrides(request_, result.snapshot.config);
  return result;
}

const FinishedStage* Builder::finished(std::size_t stage) const {
  auto found = finished_.find(stage);
  return found == finished_.end() ? nullptr : &found->second;
}

void Builder::finish(std::size_t stage, FinishedStage result) { finished_.insert_or_assign(stage, std::move(result)); }

Origin Builder::origin_of(std::size_t stage, const std::string& from) const {
  return resolve_origin(file_, context_names_, stage, from);
}

bool Builder::is_image(const Origin& origin) const {
  if (origin.kind != Origin::Kind::Context) return true;
  return request_.contexts.at(origin.image).kind == ContextSpec::Kind::Image;
}

std::string Builder::default_agent() const {
  auto agent = request_.secrets.agents.find("default");
  return agent == request_.secrets.agents.end() ? "" : agent->second;
}

Snapshot Builder::image_snapshot(const std::string& name) {
  auto known = images_.find(name);
  if (known == images_.end()) known = images_.emplace(name, load_base_image(session_, name, request_.pull)).first;
  return known->second;
}

FinishedStage Builder::base_of(const PlannedStage& planned) {
  if (!planned.platform.empty() && !oci::match_rank(oci::Platform::host(), oci::Platform::parse(planned.platform))) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("building for {} is not supported on this machine", escape_control(planned.platform)));
  }
  if (planned.base.kind == Origin::Kind::Stage) return finished_.at(planned.base.stage);
  if (planned.base.kind != Origin::Kind::Scratch) {
    const Snapshot& image = origin_snapshot(planned.base);
    return {image, image.layers.size(), {}};
  }
  Snapshot scratch;
  scratch.config.platform = oci::Platform::host();
  // As the peers have it: commands of such an image are found too.
  scratch.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return {std::move(scratch), 0, {}};
}

const Snapshot& Builder::origin_snapshot(const Origin& origin) {
  if (origin.kind == Origin::Kind::Stage) return finished_.at(origin.stage).snapshot;
  std::string image = origin.image;
  if (origin.kind == Origin::Kind::Context) {
    const ContextSpec& spec = request_.contexts.at(origin.image);
    if (!is_image(origin)) {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("the build context {} is a folder: it cannot be a base", escape_control(origin.image)));
    }
    image = spec.text;
  }
  image_snapshot(image);
  return images_.at(image);
}

std::unique_ptr<SourceTree> Builder::open_tree(const Origin& origin, const std::string& name) {
  if (origin.kind == Origin::Kind::Context) {
    const ContextSpec& spec = request_.contexts.at(origin.image);
    if (!is_image(origin)) {
      session_.enter();  // descriptors from before could not be mounted
      OpenContext opened = open_context(spec, session_, default_agent());
      if (!opened.root) throw Error(ErrorCode::InvalidArgument, fmt::format("{} holds no files", escape_control(name)));
      IgnoreRules rules = read_context_ignore(*opened.root);
      return std::make_unique<SourceTree>(std::move(*opened.root), std::move(rules), escape_control(name));
    }
  }
  os::Dir root(session_.mount_read_only(origin_snapshot(origin)), name);
  return std::make_unique<SourceTree>(std::move(root), IgnoreRules(), escape_control(name));
}

SourceTree& Builder::origin_tree(const Origin& origin) {
  std::string name = origin.kind == Origin::Kind::Stage     ? fmt::format("stage {}", origin.stage)
                     : origin.kind == Origin::Kind::Context ? "build context " + origin.image
                                                            : "image " + origin.image;
  auto tree = trees_.find(name);
  if (tree == trees_.end()) tree = trees_.emplace(name, open_tree(origin, name)).first;
  return *tree->second;
}

SourceTree& Builder::context() {
  if (context_ == nullptr) {
    throw Error(ErrorCode::InvalidArgument, "there is no build context: the Containerfile came from stdin",
                "name a folder as context and give the file with -f -");
  }
  return *context_;
}

}  // namespace proa::build
