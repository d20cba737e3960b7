#include "libcommon/trust/evaluate.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/os/file.h"
#include "libcommon/trust/claim.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/identity.h"
#include "libcommon/trust/keys.h"

namespace proa::trust {
namespace {

using Kind = config::Requirement::Kind;

constexpr std::uint64_t kMaxKeyring = 4 << 20;

[[noreturn]] void reject(const config::Policy& policy, const Candidate& candidate, std::string_view why) {
  throw Error(ErrorCode::PermissionDenied, fmt::format("{} is rejected by policy: {}", candidate.name, why),
              fmt::format("the policy is {}; --policy names another one", policy.name()));
}

// Empty: the claim is about this image.
std::string compare(const Claim& claim, const config::Requirement& requirement, const Candidate& candidate) {
  if (auto problem = identity_mismatch(requirement.identity, candidate.reference, claim.identity)) return *problem;
  const auto digest = io::digest_of(io::as_bytes(candidate.manifest), claim.manifest.algorithm());
  if (digest != claim.manifest)
    return fmt::format("signature is for manifest {}, this one has {}", claim.manifest.str(), digest.str());
  return {};
}

template <typename Action>
void each_key(const config::Requirement& requirement, Action action) {
  for (const auto& path : requirement.keys.paths) {
    const auto key = os::try_read_file(path, kMaxKeyring);
    if (!key) throw Error(ErrorCode::InvalidArgument, fmt::format("key {} of the policy: no such file", path));
    action(*key, path);
  }
  for (const auto& data : requirement.keys.data) action(data, std::string("keyData"));
}

}  // namespace

Evaluator::Evaluator(config::Policy policy) : policy_(std::move(policy)) {}
Evaluator::~Evaluator() = default;

const GpgKeyring& Evaluator::keyring(const config::Requirement& requirement) {
  auto& ring = keyrings_[&requirement];
  if (!ring) {
    auto made = std::make_unique<GpgKeyring>();
    each_key(requirement, [&](const std::string& keys, const std::string& name) { made->add(keys, name); });
    ring = std::move(made);
  }
  return *ring;
}

const std::vector<PublicKey>& Evaluator::public_keys(const config::Requirement& requirement) {
  const auto found = public_keys_.find(&requirement);
  if (found != public_keys_.end()) return found->second;
  std::vector<PublicKey> keys;
  each_key(requirement,
           [&](const std::string& pem, const std::string& name) { keys.push_back(PublicKey::parse(pem, name)); });
  return public_keys_.emplace(&requirement, std::move(keys)).first->second;
}

std::string Evaluator::check_openpgp(const config::Requirement& requirement, const Candidate& candidate,
                                     const Signature& signature) {
  const auto message = keyring(requirement).verify(signature.payload);
  return compare(parse_claim(message.text, ClaimType::Atomic), requirement, candidate);
}

std::string Evaluator::check_sigstore(const config::Requirement& requirement, const Candidate& candidate,
                                      const Signature& signature) {
  if (signature.media_type != kSigstorePayload)
    return fmt::format("attachment of type {} is no signature", escape_control(signature.media_type));
  const auto annotation = signature.annotations.find(std::string(kSigstoreSignature));
  const auto bytes = annotation == signature.annotations.end() ? std::nullopt : base64_decode(annotation->second);
  if (!bytes) return fmt::format("attachment without {}", kSigstoreSignature);
  const auto& keys = public_keys(requirement);
  const bool right =
      std::ranges::any_of(keys, [&](const PublicKey& key) { return key.verifies(signature.payload, *bytes); });
  if (!right) return "sigstore signature: not made by a trusted key, or the signed text was changed";
  return compare(parse_claim(signature.payload, ClaimType::Cosign), requirement, candidate);
}

// Empty: accepted. What is wrong with one signature does not spoil the others.
std::string Evaluator::check(const config::Requirement& requirement, const Candidate& candidate,
                             const Signature& signature) {
  try {
    return requirement.kind == Kind::SignedBy ? check_openpgp(requirement, candidate, signature)
                                              : check_sigstore(requirement, candidate, signature);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Corrupt && error.code() != ErrorCode::LimitExceeded) throw;
    return error.message();
  }
}

void Evaluator::require_signature(const config::Requirement& requirement, const Candidate& candidate,
                                  const std::vector<Signature>& signatures) {
  const auto format = requirement.kind == Kind::SignedBy ? Signature::Format::OpenPgp : Signature::Format::Sigstore;
  if (signatures.size() > kMaxSignatures)
    reject(policy_, candidate, fmt::format("it has more than {} signatures", kMaxSignatures));
  std::vector<std::string> problems;
  for (const auto& signature : signatures) {
    if (signature.format != format) continue;
    auto problem = check(requirement, candidate, signature);
    if (problem.empty()) return;
    if (std::ranges::find(problems, problem) == problems.end()) problems.push_back(std::move(problem));
  }
  if (problems.empty())
    reject(policy_, candidate,
           fmt::format("a signature was required ({}), but no signature exists", requirement_name(requirement.kind)));
  if (problems.size() == 1) reject(policy_, candidate, problems.front());
  constexpr std::size_t kShown = 5;
  if (problems.size() > kShown) problems.resize(kShown);
  reject(policy_, candidate, "none of the signatures was accepted: " + join(problems, "; "));
}

void Evaluator::require_allowed(const Candidate& candidate, const ReadSignatures& read) {
  std::optional<std::vector<Signature>> signatures;
  const auto& requirements = policy_.requirements(candidate.scope);
  PROA_CHECK(!requirements.empty());
  for (const auto& requirement : requirements) {
    switch (requirement.kind) {
      case Kind::AcceptAnything:
        continue;
      case Kind::SignedBy:
      case Kind::SigstoreSigned:
        if (!signatures) signatures = read();
        require_signature(requirement, candidate, *signatures);
        continue;
      case Kind::NotSupported:
        reject(policy_, candidate, requirement.reason);
      case Kind::Reject:
        break;
    }
    reject(policy_, candidate, "no image from there may be used");
  }
}

}  // namespace proa::trust
