// Flags that skopeo has before the verb, where scripts write them.
#pragma once

#include <string>
#include <vector>

namespace proa::copy {

// The words of a command line with these flags where our parser expects them: behind the verb, in the environment, or
// gone where there is nothing they would change.
std::vector<std::string> place_global_flags(const std::vector<std::string>& words);

// The verbs that skopeo has end with its exit codes, the others with podman's.
bool is_skopeo_verb(const std::vector<std::string>& words);

}  // namespace proa::copy
