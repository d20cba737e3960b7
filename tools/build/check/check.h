// The build checks that BuildKit warns about (docs.docker.com, "Build checks"): a file that builds, and probably does
// not do what was meant.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/build/check/rules.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/ignore.h"

namespace proa::build {

struct BuildRequest;
class Session;
class SourceTree;

struct CheckOptions {
  Variables build_args;     // --build-arg; BUILDKIT_DOCKERFILE_CHECK replaces the "# check=" line
  Variables platform_args;  // TARGETPLATFORM and so on
  // The environment of an image; nullopt: not known, and nothing is said about variables then.
  std::function<std::optional<std::vector<std::string>>(const std::string& image)> image_env;
  const IgnoreRules* ignored = nullptr;
};

struct CheckReport {
  std::vector<Warning> warnings;
  std::string build_error;  // why the build is refused: "error=true" with warnings, or a mistake in the file
  bool warnings_are_errors = false;
  std::vector<std::string> lines;  // of the file, to be shown
};

// Never throws for what is wrong in the file: that is build_error.
CheckReport check_containerfile(std::string_view text, const CheckOptions& options);

// For the command: the report on stdout, and its exit code.
int print_check(const CheckReport& report, const std::string& file);
// In a build: one line for each on stderr. Throws when the file says that warnings are errors.
void warn_of(const CheckReport& report, const std::string& file);
CheckOptions check_options(const BuildRequest& request, const Session& session, const SourceTree* context);

}  // namespace proa::build
