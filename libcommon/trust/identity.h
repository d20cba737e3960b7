// Does the name that was signed fit the image that is to be used? containers-policy.json(5), signedIdentity.
#pragma once

#include <optional>
#include <string>

#include "libcommon/config/policy.h"

namespace proa::trust {

// nullopt: it does; else why not. `image`: the docker reference that was asked for; nullopt where the place has none
// (dir:, oci:), which only exactReference and exactRepository get along with.
std::optional<std::string> identity_mismatch(const config::SignedIdentity& wanted,
                                             const std::optional<oci::Reference>& image,
                                             const std::string& signed_name);

}  // namespace proa::trust
