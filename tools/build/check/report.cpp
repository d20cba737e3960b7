// How the build checks are shown.
#include <fmt/core.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/store.h"
#include "tools/build/builder.h"
#include "tools/build/check/check.h"

namespace proa::build {
namespace {

constexpr std::string_view kSeparator = "--------------------";

// The line with those around it.
std::string excerpt(const CheckReport& report, int line) {
  std::string text = fmt::format("{}\n", kSeparator);
  int last = static_cast<int>(report.lines.size());
  for (int number = std::max(1, line - 1); number <= std::min(last, line + 1); ++number) {
    text += fmt::format("{:4} | {} {}\n", number, number == line ? ">>>" : "   ",
                        escape_control(report.lines[static_cast<std::size_t>(number) - 1]));
  }
  return text + fmt::format("{}\n", kSeparator);
}

}  // namespace

int print_check(const CheckReport& report, const std::string& file) {
  for (const Warning& warning : report.warnings) {
    fmt::print("WARNING: {}\n{}\n{}\n{}:{}\n{}\n", warning.rule, rule_description(warning.rule),
               escape_control(warning.detail), escape_control(file), warning.line, excerpt(report, warning.line));
  }
  if (!report.build_error.empty() && !report.warnings_are_errors)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: {}", escape_control(file), report.build_error));
  if (report.warnings.empty()) {
    fmt::print("Check complete, no warnings found.\n");
    return 0;
  }
  fmt::print("Check complete, {} {} been found!\n", report.warnings.size(),
             report.warnings.size() == 1 ? "warning has" : "warnings have");
  return 1;
}

void warn_of(const CheckReport& report, const std::string& file) {
  for (const Warning& warning : report.warnings) {
    log::warn(fmt::format("{}: {} ({}:{})", warning.rule, escape_control(warning.detail), escape_control(file),
                          warning.line));
  }
  if (report.warnings_are_errors) throw Error(ErrorCode::InvalidArgument, report.build_error);
}

CheckOptions check_options(const BuildRequest& request, const Session& session, const SourceTree* context) {
  CheckOptions options;
  options.build_args = request.build_args;
  oci::Platform host = oci::Platform::host();
  options.platform_args = platform_args(host, host);
  options.image_env = [&store = session.store()](const std::string& name) -> std::optional<std::vector<std::string>> {
    try {
      if (auto image = store.find(name)) return store.config(*image).env;
    } catch (const Error&) {
      // No name of an image: the build says so.
    }
    return std::nullopt;
  };
  options.ignored = context != nullptr && context->filters() ? &context->rules() : nullptr;
  return options;
}

}  // namespace proa::build
