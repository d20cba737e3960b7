// policy.json as `image trust` changes it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::copy {

struct TrustChange {
  std::string scope;                   // "default", or one of policy.json: "docker.io/library"
  std::string type;                    // accept, reject, signedBy, sigstoreSigned
  std::vector<std::string> key_files;  // absolute; all have to sign
};

// The text of the file afterwards, everything else of it unchanged. `text` empty: there was none.
std::string change_policy(std::string_view text, const TrustChange& change);

}  // namespace proa::copy
