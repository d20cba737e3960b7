#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace proa {

// `bytes` random bytes from getrandom(2) as lower-case hex; a container id is random_hex(32).
std::string random_hex(std::size_t bytes);
std::uint64_t random_u64();

}  // namespace proa
