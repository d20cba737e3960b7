#include "libcommon/oci/digest.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::oci {
namespace {

struct Algorithm {
  DigestAlgorithm id;
  std::string_view name;
  std::size_t hex_length;
};

constexpr Algorithm kAlgorithms[] = {
    {DigestAlgorithm::Sha256, "sha256", 64},
    {DigestAlgorithm::Sha384, "sha384", 96},
    {DigestAlgorithm::Sha512, "sha512", 128},
};

const Algorithm& entry_of(DigestAlgorithm id) { return kAlgorithms[static_cast<std::size_t>(id)]; }

}  // namespace

std::optional<Digest> Digest::try_parse(std::string_view text) {
  for (const auto& algorithm : kAlgorithms) {
    if (text.size() != algorithm.name.size() + 1 + algorithm.hex_length) continue;
    if (!text.starts_with(algorithm.name) || text[algorithm.name.size()] != ':') continue;
    if (!is_hex(text.substr(algorithm.name.size() + 1))) continue;
    return Digest(algorithm.id, std::string(text));
  }
  return std::nullopt;
}

Digest Digest::parse(std::string_view text) {
  auto digest = try_parse(text);
  if (!digest) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("invalid digest \"{}\"", escape_control(text.substr(0, 160))));
  }
  return *digest;
}

Digest Digest::from_hex(DigestAlgorithm algorithm, std::string_view hex) {
  return parse(fmt::format("{}:{}", entry_of(algorithm).name, hex));
}

std::string_view Digest::algorithm_name() const { return entry_of(algorithm_).name; }

std::string_view Digest::hex() const { return std::string_view(text_).substr(algorithm_name().size() + 1); }

}  // namespace proa::oci
