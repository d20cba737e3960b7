// One stage on its way: its state, and what each instruction does to it.
#pragma once

#include <string>
#include <vector>

#include "tools/build/builder.h"
#include "tools/build/cache/key.h"
#include "tools/build/steps/metadata.h"

namespace proa::build {

// What RUN starts.
struct Script {
  std::vector<std::string> args;
  std::string path, content;  // a here-document with an interpreter of its own, as a file; empty path: none
};

class StageRun {
 public:
  StageRun(Builder& builder, std::size_t index, std::string label, Snapshot base);

  // ONBUILD of the base.
  void run_triggers();
  // Throws with the instruction's place in the file.
  void run(const Instruction& instruction);
  Snapshot take();

 private:
  void perform(const Instruction& instruction);
  void transfer(const Instruction& instruction, const Transfer& transfer);
  void command(const Instruction& instruction, const Run& run);
  WorkRoot execute(const Run& run, RunRequest request, const Script& script);
  void workdir(const WorkDir& workdir);

  std::string word(std::string_view text) const { return state_.scope.expand_word(text, state_.config.env); }
  Snapshot snapshot() const;
  void set_snapshot(Snapshot snapshot);
  // A key that begins with what every step depends on.
  KeyBuilder key(std::string_view kind);
  oci::History history(std::string text) const;
  // True: the step is in the cache, and the state is that after it.
  bool cached(const std::string& key, const oci::History& history);
  std::vector<std::string> environment() const;
  void prepare_mounts(const Run& run, StepMounts* mounts, KeyBuilder* key);

  Builder& builder_;
  Session& session_;
  std::size_t index_;
  std::string label_;
  StageState state_;
  std::vector<oci::Descriptor> layers_;
  std::optional<oci::ChainId> top_;
};

}  // namespace proa::build
