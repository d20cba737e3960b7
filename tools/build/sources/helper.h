// Programs that proa-build starts for what it does not link: proa-copy (registries, HTTP) and git.
#pragma once

#include <string>
#include <vector>

#include "libcommon/os/process.h"

namespace proa::build {

// proa-copy beside our own program, else the one in PATH.
std::string copy_program();

// Throws `failure` (Unavailable) unless the helper succeeded; told, when it ended by itself, since it said why by then.
void require_success(const os::WaitStatus& status, const std::string& failure);
// Runs proa-copy with stdout on our stderr; throws as require_success.
void run_copy_program(std::vector<std::string> arguments, const std::string& failure);

// Runs a program and returns its stdout. Throws Unavailable with the last line of its stderr.
std::string output_of(const os::SpawnPlan& plan, std::string_view what);

}  // namespace proa::build
