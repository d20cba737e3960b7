// Capabilities by name and as sets, capabilities(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::os {

using CapSet = std::uint64_t;  // bit N is capability N

constexpr CapSet cap_bit(int capability) { return CapSet{1} << capability; }
int last_capability();                                        // of the running kernel
std::optional<int> capability_number(std::string_view name);  // "CAP_CHOWN", "chown", any case
std::string capability_name(int capability);                  // "CAP_CHOWN"
std::vector<std::string> capability_names(CapSet set);
CapSet all_capabilities();
CapSet effective_capabilities();  // of this process

struct CapState {
  CapSet bounding = 0, permitted = 0, effective = 0, inheritable = 0, ambient = 0;
};
void drop_bounding(CapSet keep);
// permitted, effective, inheritable and ambient of this thread.
void set_capabilities(const CapState& state);

}  // namespace proa::os
