// Sizes as docker and podman print and parse them (go-units).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa {

// "1.5GB" with powers of 1000: go-units HumanSize (4 significant digits, no space). Tables of images use 3 digits.
std::string human_size(double bytes, int precision = 4);
// "1.5GiB" with powers of 1024: go-units BytesSize.
std::string human_size_binary(double bytes, int precision = 4);
// go-units FromHumanSize (powers of 1000) and RAMInBytes (powers of 1024). nullopt when malformed.
std::optional<std::int64_t> parse_size_1000(std::string_view text);
std::optional<std::int64_t> parse_size_1024(std::string_view text);

}  // namespace proa
