#include "libcommon/transport/signature_list.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"

namespace proa::transport {

void SignatureList::add(trust::Signature signature) {
  bytes_ += signature.payload.size();
  const bool too_large = signature.payload.size() > trust::kMaxSignatureSize || bytes_ > trust::kMaxSignaturesSize;
  if (list_.size() == trust::kMaxSignatures || too_large) {
    throw Error(ErrorCode::LimitExceeded, fmt::format("{}: more than {} signatures of one image, or {} bytes of one",
                                                      place_, trust::kMaxSignatures, trust::kMaxSignatureSize));
  }
  if (std::ranges::find(list_, signature) == list_.end()) list_.push_back(std::move(signature));
}

}  // namespace proa::transport
