// What a build reads: the Containerfile, the context and its ignore file.
#pragma once

#include <optional>
#include <string>

#include "tools/build/steps/source_tree.h"

namespace proa::build {

struct BuildOptions;

struct BuildInput {
  std::string file_name;  // for messages
  std::string text;
  std::optional<SourceTree> context;
};

BuildInput read_input(const BuildOptions& options);

}  // namespace proa::build
