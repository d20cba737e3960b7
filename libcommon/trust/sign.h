// Making signatures.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/digest.h"
#include "libcommon/oci/reference.h"
#include "libcommon/trust/signature.h"

namespace proa::trust {

class Signer {
 public:
  virtual ~Signer() = default;
  virtual Signature sign(const oci::Digest& manifest, const oci::Reference& identity) const = 0;
};

// By a secret GPG key of the user (--sign-by).
std::unique_ptr<Signer> make_gpg_signer(std::string key, std::optional<std::string> passphrase);
// By the key in a file (--sign-by-sigstore-private-key), read at once.
std::unique_ptr<Signer> make_sigstore_signer(const std::string& key_file, const std::string& passphrase);

}  // namespace proa::trust
