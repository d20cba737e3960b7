// One stage on its way: its state, and what each instruction does to it. Looking (is the step in the cache?) and doing
// are apart, so that a build of nothing new never has to enter a user namespace, and stages can be done side by side.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/build/builder.h"
#include "tools/build/cache/key.h"
#include "tools/build/graph/schedule.h"
#include "tools/build/graph/transfer_plan.h"
#include "tools/build/steps/gathered.h"
#include "tools/build/steps/metadata.h"

namespace proa::build {

// What RUN starts.
struct Script {
  std::vector<std::string> args;
  std::string path, content;  // a here-document with an interpreter of its own, as a file; empty path: none
};

class StageRun final : public Runnable {
 public:
  StageRun(Builder& builder, const PlannedStage& planned, std::string label);

  // Both throw with the instruction's place in the file. The finished stage goes to the builder.
  Next advance() override;
  void work() override;
  std::size_t waits_for() const override { return waits_for_; }

 private:
  struct Step {
    Instruction instruction;
    std::string shown;  // as progress shows it
    std::string place;  // for errors
  };
  // The rest of a step that is not in the cache; empty: it is done.
  using Work = std::function<void()>;

  void start();
  void add_triggers();
  bool must_wait(const Step& step);
  Work perform(const Instruction& instruction);
  Work transfer(const Transfer& transfer);
  std::shared_ptr<Gathered> gather(const TransferPlan& plan, const IgnoreRules& excludes, KeyBuilder& key);
  void gather_rest(const TransferPlan& plan, const IgnoreRules& excludes, Gathered& gathered);
  WorkRoot put_files(const TransferPlan& plan, const IgnoreRules& excludes, const Gathered& gathered);
  Work command(const Run& run);
  Work workdir(const WorkDir& workdir);
  WorkRoot execute(const Run& run, RunRequest request, const Script& script);
  void refuse_unsupported(const Run& run) const;

  std::string word(std::string_view text) const { return state_.scope.expand_word(text, state_.config.env); }
  Snapshot snapshot() const { return {state_.config, layers_, top_}; }
  void set_snapshot(Snapshot snapshot);
  // A key that begins with what every step depends on.
  KeyBuilder key(std::string_view kind, bool on_any_parent = false);
  oci::History history(std::string text) const;
  // True: the step is in the cache, and the state is that after it.
  bool cached(const std::string& key, const oci::History& history, Session::Parent made_on = Session::Parent::Same);
  void commit(const std::string& key, WorkRoot root, oci::History history,
              Session::Parent made_on = Session::Parent::Same);
  std::vector<std::string> environment() const;
  void prepare_mounts(const Run& run, StepMounts* mounts, KeyBuilder* key);

  Builder& builder_;
  Session& session_;
  PlannedStage planned_;
  const Stage& stage_;
  std::string label_;
  bool started_ = false;
  StageState state_;
  std::vector<oci::Descriptor> layers_;
  std::optional<oci::ChainId> top_;
  std::size_t base_layers_ = 0;
  std::deque<Step> steps_;
  Progress::Id progress_ = 0;
  Work work_;
  std::size_t waits_for_ = 0;
};

}  // namespace proa::build
