// May this image be used? policy.json against the signatures that come with it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/config/policy.h"
#include "libcommon/trust/signature.h"

namespace proa::trust {

class GpgKeyring;
class PublicKey;

struct Candidate {
  std::string name;  // for messages
  config::PolicyScope scope;
  std::optional<oci::Reference> reference;  // what signatures may match; nullopt: the place has no such names
  std::string_view manifest;                // the very bytes that will be used
};

// Keeps keys that were read, for the instances of one index.
class Evaluator {
 public:
  explicit Evaluator(config::Policy policy);
  ~Evaluator();

  // Throws PermissionDenied unless all requirements are fulfilled. `signatures` is asked only when one of them needs
  // some. A signature counts when it was made by a wanted key over a text that is understood in full, names the
  // digest of just these bytes, and the name that the policy wants; whatever goes wrong on the way is no match.
  using ReadSignatures = std::function<std::vector<Signature>()>;
  void require_allowed(const Candidate& candidate, const ReadSignatures& signatures);

 private:
  std::string check_openpgp(const config::Requirement& requirement, const Candidate& candidate,
                            const Signature& signature);
  std::string check_sigstore(const config::Requirement& requirement, const Candidate& candidate,
                             const Signature& signature);
  std::string check(const config::Requirement& requirement, const Candidate& candidate, const Signature& signature);
  void require_signature(const config::Requirement& requirement, const Candidate& candidate,
                         const std::vector<Signature>& signatures);
  const GpgKeyring& keyring(const config::Requirement& requirement);
  const std::vector<PublicKey>& public_keys(const config::Requirement& requirement);

  config::Policy policy_;
  std::map<const config::Requirement*, std::unique_ptr<GpgKeyring>> keyrings_;
  std::map<const config::Requirement*, std::vector<PublicKey>> public_keys_;
};

}  // namespace proa::trust
