#include "libcommon/config/toml.h"

#include <fmt/format.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::config {
namespace {

[[noreturn]] void refuse(std::string_view name, toml::source_index line, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", name, line, escape_control(reason)));
}

struct Malformed {};

}  // namespace

void detail::refuse_malformed_toml() { throw Malformed{}; }

toml::table parse_toml(std::string_view text, std::string_view name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    refuse(name, error.source().begin.line, error.description());
  } catch (const Malformed&) {
    refuse(name, 1, "this file is no TOML");  // it does not tell where
  }
}

}  // namespace proa::config
