// Runs a plan, stage by stage. Stages know of one another only by finished snapshots.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/build/base_image.h"
#include "tools/build/graph/plan.h"
#include "tools/build/graph/scope.h"
#include "tools/build/progress.h"
#include "tools/build/steps/mounts.h"
#include "tools/build/steps/run_step.h"
#include "tools/build/steps/session.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

struct BuildRequest {
  std::string file_name;  // of the Containerfile, for messages
  std::string text;
  std::string target;
  Variables build_args;
  std::vector<KeyValue> labels;
  PullPolicy pull = PullPolicy::Missing;
  RunSettings run;
  Secrets secrets;
};

class Builder {
 public:
  // `context`: nullptr when there is none (a Containerfile from stdin alone). All must outlive the builder.
  Builder(Session& session, Progress& progress, const BuildRequest& request, SourceTree* context);
  Snapshot build();

  // For the stages.
  Session& session() { return session_; }
  Progress& progress() { return progress_; }
  const BuildRequest& request() const { return request_; }
  const Containerfile& file() const { return file_; }
  const Plan& plan() const { return plan_; }
  BuildArgs& build_args() { return build_args_; }
  SourceTree& context();
  const Snapshot& origin_snapshot(const Origin& origin);
  SourceTree& origin_tree(const Origin& origin);

 private:
  Snapshot start_stage(const PlannedStage& planned);
  Snapshot image_snapshot(const std::string& name);
  void run_stage(const PlannedStage& planned);

  Session& session_;
  Progress& progress_;
  const BuildRequest& request_;
  SourceTree* context_;
  Containerfile file_;
  BuildArgs build_args_;
  Plan plan_;
  std::map<std::size_t, Snapshot> finished_;
  std::map<std::string, Snapshot> images_;
  std::map<std::string, std::unique_ptr<SourceTree>> trees_;
};

}  // namespace proa::build
