#include "libcommon/config/toml.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::config {

toml::table parse_toml(std::string_view text, std::string_view name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}:{}: {}", name, error.source().begin.line, escape_control(error.description())));
  } catch (const MalformedToml&) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: this file is no TOML", name));
  }
}

}  // namespace proa::config
