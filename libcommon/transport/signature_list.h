#pragma once

#include <string>
#include <vector>

#include "libcommon/trust/signature.h"

namespace proa::transport {

// A stored signature in JSON form is a third longer than what is in it.
inline constexpr std::uint64_t kMaxStoredSignature = 2 * trust::kMaxSignatureSize;

// Collects what a place offers, up to the ceilings. Signatures that are there already are passed over.
class SignatureList {
 public:
  explicit SignatureList(std::string place) : place_(std::move(place)) {}
  void add(trust::Signature signature);  // LimitExceeded
  std::size_t size() const { return list_.size(); }
  std::vector<trust::Signature> take() && { return std::move(list_); }

 private:
  std::string place_;
  std::vector<trust::Signature> list_;
  std::uint64_t bytes_ = 0;
};

}  // namespace proa::transport
