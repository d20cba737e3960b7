// Instructions that change nothing but the image's configuration. Pure.
#pragma once

#include <optional>
#include <string>

#include "libcommon/oci/image.h"
#include "tools/build/containerfile/instruction.h"
#include "tools/build/graph/scope.h"

namespace proa::build {

// What instructions of a stage work on.
struct StageState {
  oci::ImageConfig config;
  Scope scope;
  bool cmd_set = false;  // by this stage: ENTRYPOINT then keeps it
};

// Applies ENV LABEL MAINTAINER CMD ENTRYPOINT HEALTHCHECK EXPOSE USER VOLUME STOPSIGNAL ARG SHELL ONBUILD.
// Returns the text for the image's history; nullopt when the instruction is none of these.
std::optional<std::string> apply_metadata(const Instruction& instruction, StageState& state);

// WORKDIR's path, joined to the one before.
std::string join_workdir(const std::string& present, const std::string& path);

// "/bin/sh -c" or what SHELL said.
std::vector<std::string> shell_of(const oci::ImageConfig& config);
// A command as an exec list: shell form gets the shell.
std::vector<std::string> command_of(const CommandLine& command, const oci::ImageConfig& config);

}  // namespace proa::build
