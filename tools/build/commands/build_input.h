// What a build reads: the Containerfile, the context and its ignore file.
#pragma once

#include <optional>
#include <string>

#include "tools/build/steps/mounts.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

struct BuildOptions;

struct BuildInput {
  std::string file_name;  // for messages
  std::string text;
  bool inside = false;  // the file is one of the context
  std::optional<SourceTree> context;
};

// Fetches what is not here into the session.
BuildInput read_input(const BuildOptions& options, Session& session, const Secrets& secrets);

}  // namespace proa::build
