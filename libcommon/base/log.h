// Diagnostics to stderr. Results go to stdout and never pass here.
#pragma once

#include <string_view>

namespace proa::log {

enum class Level { Error, Warn, Info, Debug };

// What is printed: everything up to `level` (default Warn). Set once by main; PROA_LOG_LEVEL is read by the
// command-line layer.
void set_level(Level level);
Level level();

// One line each, escaped by the caller where text is foreign: "warning: ...", "note: ...", "debug: ...".
void warn(std::string_view line);
void note(std::string_view line);  // a choice that the user should know of; shown at Warn and above
void debug(std::string_view line);

}  // namespace proa::log
