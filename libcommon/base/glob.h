// Shell patterns as Go's path.Match reads them: * and ? stop at '/', [a-z], [^a-z], \x.
#pragma once

#include <optional>
#include <string_view>

namespace proa {

// Does the pattern match the whole name? nullopt: the pattern is malformed (found out even where the name would not
// match).
std::optional<bool> glob_match(std::string_view pattern, std::string_view name);

}  // namespace proa
