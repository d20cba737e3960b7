// Content digests. image-spec descriptor.md, "Digests". A Digest exists only validated: it may be used in paths and
// URLs.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace proa::oci {

enum class DigestAlgorithm { Sha256, Sha384, Sha512 };

class Digest {
 public:
  // "sha256:" and exactly 64 lower-case hex digits (sha384: 96, sha512: 128). Anything else is nullopt /
  // InvalidArgument.
  static std::optional<Digest> try_parse(std::string_view text);
  static Digest parse(std::string_view text);
  static Digest from_hex(DigestAlgorithm algorithm, std::string_view hex);

  DigestAlgorithm algorithm() const { return algorithm_; }
  std::string_view algorithm_name() const;
  std::string_view hex() const;                     // without the algorithm
  const std::string& str() const { return text_; }  // "sha256:..."
  std::string short_id() const { return std::string(hex().substr(0, 12)); }

  auto operator<=>(const Digest& other) const { return text_ <=> other.text_; }
  bool operator==(const Digest& other) const { return text_ == other.text_; }

 private:
  Digest(DigestAlgorithm algorithm, std::string text) : algorithm_(algorithm), text_(std::move(text)) {}
  DigestAlgorithm algorithm_;
  std::string text_;
};

// Distinct things have distinct types: the digest of an uncompressed layer tar, of a stack of layers, of an image
// config.
template <typename Tag>
class TaggedDigest {
 public:
  explicit TaggedDigest(Digest digest) : digest_(std::move(digest)) {}
  const Digest& digest() const { return digest_; }
  const std::string& str() const { return digest_.str(); }
  std::string_view hex() const { return digest_.hex(); }
  auto operator<=>(const TaggedDigest&) const = default;

 private:
  Digest digest_;
};

using DiffId = TaggedDigest<struct DiffIdTag>;    // image-spec config.md, "Layer DiffID"
using ChainId = TaggedDigest<struct ChainIdTag>;  // image-spec config.md, "Layer ChainID"
using ImageId = TaggedDigest<struct ImageIdTag>;  // digest of the config blob

}  // namespace proa::oci
