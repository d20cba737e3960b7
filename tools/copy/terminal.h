#pragma once

#include <string>

namespace proa::copy {

// One line from the terminal; `secret` is not shown while it is typed. InvalidArgument, with `hint`, when standard
// input is no terminal. `what` names it: "password".
std::string ask_line(const std::string& prompt, bool secret, const std::string& what, const std::string& hint);

}  // namespace proa::copy
