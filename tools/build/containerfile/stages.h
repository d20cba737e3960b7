// A parsed Containerfile: ARGs before the first FROM, then stages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/build/containerfile/instruction.h"

namespace proa::build {

struct Stage {
  From from;
  Instruction source;  // the FROM line
  std::vector<Instruction> instructions;
};

struct Containerfile {
  char escape = '\\';
  std::vector<Arg> global_args;
  std::vector<Stage> stages;
  std::vector<std::string> warnings;
};

// Throws InvalidArgument with file and line.
Containerfile parse_containerfile(std::string_view text, std::string_view name = "Containerfile");

}  // namespace proa::build
