// From a parsed Containerfile to the stages that have to be built, and in which order. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libcommon/oci/platform.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {

// Where files or a file system come from.
struct Origin {
  enum class Kind { Scratch, Image, Stage, Context } kind = Kind::Scratch;
  std::string image;      // as written, expanded; of a Context its name
  std::size_t stage = 0;  // index in the file
  bool operator==(const Origin&) const = default;
};

struct PlannedStage {
  std::size_t index = 0;  // in the file
  Origin base;
  std::string platform;            // expanded; empty: the target's
  std::vector<std::size_t> needs;  // stages that must be complete before this one
};

struct Plan {
  std::vector<PlannedStage> stages;  // what the target needs, each after those it needs; the target last
  Variables global_args;             // ARGs before the first FROM that have a value
  Variables platform_args;           // TARGETPLATFORM and so on
  std::vector<std::string> warnings;
  bool has(std::size_t stage) const;
};

struct PlanOptions {
  std::string target;    // name or number of a stage; empty: the last one
  Variables build_args;  // --build-arg
  oci::Platform host, wanted;
  std::set<std::string> contexts = {};  // names of --build-context: they come before stages and images
};

// Throws InvalidArgument: unknown target, blank base, stages that need one another in a circle.
Plan plan_build(const Containerfile& file, const PlanOptions& options, std::string_view name = "Containerfile");

// What "--from=" or "from=" of an instruction in stage `user` means.
Origin resolve_origin(const Containerfile& file, const std::set<std::string>& contexts, std::size_t user,
                      const std::string& from);

// The names in "--from=" and "from=" of an instruction, unexpanded.
std::vector<std::string> froms_of(const Instruction& instruction);

Variables platform_args(const oci::Platform& host, const oci::Platform& wanted);

}  // namespace proa::build
