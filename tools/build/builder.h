// Runs a plan. Stages know of one another only by finished snapshots.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tools/build/base_image.h"
#include "tools/build/graph/baton.h"
#include "tools/build/graph/plan.h"
#include "tools/build/graph/scope.h"
#include "tools/build/progress/progress.h"
#include "tools/build/sources/context.h"
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
  std::vector<KeyValue> env;  // --env: for the image
  std::vector<std::string> unset_env, unset_labels;
  std::map<std::string, ContextSpec> contexts;  // --build-context
  std::set<std::string> uncached;               // --no-cache-filter: stages
  std::set<std::string> allowed;                // --allow: "security.insecure"
  PullPolicy pull = PullPolicy::Missing;
  unsigned jobs = 4;  // stages at once
  RunSettings run;
  Secrets secrets;
};

struct FinishedStage {
  Snapshot snapshot;
  std::size_t base_layers = 0;  // how many of its layers come from an image that was there
  Variables arguments;          // ARGs with their values: stages on top of this one have them, too
};

class Builder {
 public:
  // `context`: nullptr when there is none (a Containerfile from stdin alone). All must outlive the builder.
  Builder(Session& session, Progress& progress, const BuildRequest& request, SourceTree* context);
  FinishedStage build();

  // For the stages.
  Session& session() { return session_; }
  Progress& progress() { return progress_; }
  Baton& baton() { return baton_; }
  const BuildRequest& request() const { return request_; }
  const Containerfile& file() const { return file_; }
  const Plan& plan() const { return plan_; }
  BuildArgs& build_args() { return build_args_; }
  SourceTree& context();
  Origin origin_of(std::size_t stage, const std::string& from) const;
  const FinishedStage* finished(std::size_t stage) const;
  void finish(std::size_t stage, FinishedStage result);
  // The start of a stage whose base is there.
  FinishedStage base_of(const PlannedStage& planned);
  const Snapshot& origin_snapshot(const Origin& origin);
  // Whether a named context is an image (or the origin is no context).
  bool is_image(const Origin& origin) const;
  // The files of a stage, an image or a named context.
  SourceTree& origin_tree(const Origin& origin);
  // The agent that git and steps use; empty: none.
  std::string default_agent() const;

 private:
  Snapshot image_snapshot(const std::string& name);
  std::unique_ptr<SourceTree> open_tree(const Origin& origin, const std::string& name);

  Session& session_;
  Progress& progress_;
  Baton baton_;
  const BuildRequest& request_;
  SourceTree* context_;
  Containerfile file_;
  BuildArgs build_args_;
  Plan plan_;
  std::set<std::string> context_names_;
  std::map<std::size_t, FinishedStage> finished_;
  std::map<std::string, Snapshot> images_;
  std::map<std::string, std::unique_ptr<SourceTree>> trees_;
};

}  // namespace proa::build
