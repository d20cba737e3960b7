// --ulimit NAME=SOFT[:HARD].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace proa::spec {

inline constexpr std::int64_t kUnlimited = -1;

struct Ulimit {
  std::string name;                 // "nofile"
  std::int64_t soft = 0, hard = 0;  // kUnlimited or at least 0

  std::string rlimit_name() const;  // "RLIMIT_NOFILE", as the runtime specification has it
  bool operator==(const Ulimit&) const = default;
};

// InvalidArgument: an unknown name, no numbers, a soft limit above the hard one.
Ulimit parse_ulimit(std::string_view text);

}  // namespace proa::spec
