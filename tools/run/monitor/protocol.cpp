#include "tools/run/monitor/protocol.h"

#include "libcommon/base/strings.h"
#include "libcommon/config/hints.h"
#include "libcommon/runtime/launch.h"

namespace proa::monitor {

std::string Failure::encode() const {
  std::string body = std::to_string(exit_code);
  body += '\0';
  body += text;
  body += '\0';
  body += hint;
  return body;
}

Failure Failure::parse(std::string_view body) {
  const auto parts = split(body, '\0', 3);
  if (parts.size() != 3) return {125, "the monitor sent an answer that cannot be read", {}};
  return {parse_integer<int>(parts[0]).value_or(125), parts[1], parts[2]};
}

Failure failure_of(const std::exception& error) {
  Failure failure;
  failure.text = error.what();
  if (const auto* ours = dynamic_cast<const Error*>(&error))
    failure.hint = ours->hint().empty() ? config::hint_for(*ours) : ours->hint();
  if (const auto* launch = dynamic_cast<const runtime::LaunchError*>(&error)) failure.exit_code = launch->exit_code();
  return failure;
}

}  // namespace proa::monitor
