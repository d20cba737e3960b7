// What a signature says: the JSON payload of containers-signature(5), which cosign uses as well under another type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/oci/digest.h"

namespace proa::trust {

enum class ClaimType { Atomic, Cosign };

struct Claim {
  oci::Digest manifest;
  std::string identity;  // docker-reference, as signed
};

// Read only after the signature was found right. Every member of "critical" counts, hence anything unknown there is
// Corrupt; "optional" may hold anything.
Claim parse_claim(std::string_view payload, ClaimType type);
// With creator and time. `now_seconds` since 1970.
std::string encode_claim(const Claim& claim, ClaimType type, std::int64_t now_seconds);

}  // namespace proa::trust
