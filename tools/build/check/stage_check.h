// The build checks inside of one stage.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/build/check/check.h"
#include "tools/build/containerfile/instruction.h"

namespace proa::build {

class StageCheck {
 public:
  using Warn = std::function<void(const Node& node, std::string_view rule, std::string detail)>;
  StageCheck(const CheckOptions& options, const ExpandOptions& expand, const Variables& globals, Warn warn)
      : options_(options), expand_options_(expand), globals_(globals), warn_(std::move(warn)) {}

  // `below`: the stage that this one is based on; nullptr: an image.
  void start(const std::string& base, const StageCheck* below);
  void check(const Node& node, const Instruction& instruction);

 private:
  void declare(const Node& node, const Arg& arg);
  void set(const Node& node, const std::vector<KeyValue>& pairs);
  void check_words(const Node& node, const std::vector<std::string>& words);
  void check_once(const Node& node, const std::string& name);
  void check_pairs(const Node& node, const std::vector<KeyValue>& pairs, const char* name);
  void check_command(const Node& node, const CommandLine& command, const char* name);
  void check_transfer(const Node& node, const Transfer& transfer);
  void check_workdir(const Node& node, const WorkDir& workdir);
  void check_ports(const Node& node, const Expose& expose);

  const CheckOptions& options_;
  const ExpandOptions& expand_options_;
  const Variables& globals_;
  Warn warn_;
  Variables variables_;
  std::vector<std::string> declared_;  // ARGs, with a value or without
  bool environment_known_ = true, workdir_set_ = false, shell_set_ = false;
  std::map<std::string, Node> used_;
};

}  // namespace proa::build
