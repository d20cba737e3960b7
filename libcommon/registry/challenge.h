// WWW-Authenticate (RFC 9110 section 11.6.1): what a registry asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/strings.h"
#include "libcommon/http/client.h"

namespace proa::registry {

struct Challenge {
  std::string scheme;                 // lower case: "bearer", "basic"
  StringMap<std::string> parameters;  // names in lower case

  std::string parameter(std::string_view name) const;
};

// Several challenges may share one header. Stops at the first thing that is none: what came before it counts.
std::vector<Challenge> parse_challenges(std::string_view header);
// Of all WWW-Authenticate headers of an answer.
std::vector<Challenge> challenges_of(const http::Headers& headers);

}  // namespace proa::registry
