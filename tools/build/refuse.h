// How the readers of a Containerfile, its flags and the command line say no; their callers add where it stands.
#pragma once

#include <string>
#include <utility>

#include "libcommon/base/error.h"

namespace proa::build {

[[noreturn]] inline void fail(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

// What others can do and proa does not.
[[noreturn]] inline void unsupported(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::Unsupported, std::move(message), std::move(hint));
}

}  // namespace proa::build
