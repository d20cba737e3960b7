#include "libcommon/trust/identity.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::trust {
namespace {

using IdentityKind = config::SignedIdentity::Kind;

std::optional<oci::Reference> parse(const std::string& text) {
  try {
    return oci::Reference::parse_normalized(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool name_only(const oci::Reference& reference) { return !reference.tag() && !reference.digest(); }

// A name without tag and digest says nothing about which image is meant, on either side.
bool exact(const oci::Reference& wanted, const oci::Reference& signed_for) {
  return !name_only(wanted) && wanted == signed_for;
}

bool repo_digest_or_exact(const oci::Reference& wanted, const oci::Reference& signed_for) {
  // By digest alone the bytes are settled already: any version of the repository may have been signed.
  if (wanted.digest() && !wanted.tag()) return wanted.name() == signed_for.name();
  return exact(wanted, signed_for);
}

// "docker.io/library" covers "docker.io/library/busybox", and neither "docker.io/library2/x" nor, as a host,
// "docker.io:5000/x".
std::optional<oci::Reference> remap(const oci::Reference& image, const std::string& prefix,
                                    const std::string& signed_prefix) {
  const auto name = image.name();
  const bool covered = name == prefix || name.starts_with(prefix + "/");
  return covered ? parse(signed_prefix + image.str().substr(prefix.size())) : image;
}

bool fits(const config::SignedIdentity& wanted, const std::optional<oci::Reference>& image,
          const oci::Reference& signed_for) {
  switch (wanted.kind) {
    case IdentityKind::ExactReference:
      return exact(*wanted.reference, signed_for);
    case IdentityKind::ExactRepository:
      return wanted.reference->name() == signed_for.name();
    case IdentityKind::MatchExact:
      return image && exact(*image, signed_for);
    case IdentityKind::MatchRepository:
      return image && image->name() == signed_for.name();
    case IdentityKind::Remap: {
      const auto mapped = image ? remap(*image, wanted.prefix, wanted.signed_prefix) : std::nullopt;
      return mapped && repo_digest_or_exact(*mapped, signed_for);
    }
    case IdentityKind::MatchRepoDigestOrExact:
      break;
  }
  return image && repo_digest_or_exact(*image, signed_for);
}

}  // namespace

std::optional<std::string> identity_mismatch(const config::SignedIdentity& wanted,
                                             const std::optional<oci::Reference>& image,
                                             const std::string& signed_name) {
  const auto signed_for = parse(signed_name);
  if (signed_for && fits(wanted, image, *signed_for)) return std::nullopt;
  if (wanted.reference)
    return fmt::format("signature is for \"{}\", the policy wants {}", escape_control(signed_name),
                       wanted.reference->str());
  if (!image)
    return fmt::format("signature is for \"{}\", and an image here has no such name (use exactReference in the policy)",
                       escape_control(signed_name));
  return fmt::format("signature is for \"{}\", not for {}", escape_control(signed_name), image->str());
}

}  // namespace proa::trust
