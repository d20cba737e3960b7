// What the user can do about an error that says nothing about it itself: by its kind, in one place for all programs.
#pragma once

#include <string>

#include "libcommon/base/error.h"

namespace proa::config {

// Empty when nothing is known. Never throws; as cli::Program::hint.
std::string hint_for(const Error& error);

}  // namespace proa::config
