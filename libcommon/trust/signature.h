// A signature as it is stored and moved: not yet looked into, let alone believed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace proa::trust {

// Ceilings for what others store beside an image: so many signatures of one manifest, each of at most so many bytes.
inline constexpr std::size_t kMaxSignatures = 128;
inline constexpr std::uint64_t kMaxSignatureSize = 1 << 20;
inline constexpr std::uint64_t kMaxSignaturesSize = 8 << 20;  // of all of one manifest

inline constexpr std::string_view kSigstorePayload = "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view kSigstoreSignature = "dev.cosignproject.cosign/signature";  // annotation: base64

struct Signature {
  enum class Format {
    OpenPgp,   // containers-signature(5): `payload` is an OpenPGP message, what it signs is inside
    Sigstore,  // `payload` is what is signed, the signature an annotation
  };
  Format format = Format::OpenPgp;
  std::string payload;
  std::string media_type;                          // Sigstore
  std::map<std::string, std::string> annotations;  // Sigstore

  // As lookasides and dir: keep it: OpenPGP as it is, others behind a NUL byte, their name and a line end. Corrupt when
  // it is neither; Unsupported for a format that we do not know.
  static Signature parse(std::string_view stored);
  std::string stored() const;

  bool operator==(const Signature&) const = default;
};

}  // namespace proa::trust
