#include "libcommon/io/digest_stream.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::io {
namespace {

const EVP_MD* evp_algorithm(oci::DigestAlgorithm algorithm) {
  switch (algorithm) {
    case oci::DigestAlgorithm::Sha256:
      return EVP_sha256();
    case oci::DigestAlgorithm::Sha384:
      return EVP_sha384();
    case oci::DigestAlgorithm::Sha512:
      return EVP_sha512();
  }
  PROA_CHECK(!"known digest algorithm");
}

}  // namespace

struct Hasher::State {
  struct Free {
    void operator()(EVP_MD_CTX* freed) const { EVP_MD_CTX_free(freed); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
  oci::DigestAlgorithm algorithm;
};

Hasher::Hasher(oci::DigestAlgorithm algorithm) : state_(std::make_unique<State>()) {
  state_->algorithm = algorithm;
  // Fails only without memory, or where a FIPS provider refuses the algorithm.
  if (!state_->context || EVP_DigestInit_ex(state_->context.get(), evp_algorithm(algorithm), nullptr) != 1) {
    throw Error(ErrorCode::Unsupported, "openssl offers no such digest");
  }
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(Bytes data) {
  PROA_CHECK(state_ != nullptr);
  PROA_CHECK(EVP_DigestUpdate(state_->context.get(), data.data(), data.size()) == 1);
}

oci::Digest Hasher::finish() {
  PROA_CHECK(state_ != nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int size = 0;
  PROA_CHECK(EVP_DigestFinal_ex(state_->context.get(), value.data(), &size) == 1);
  auto digest = oci::Digest::from_hex(state_->algorithm, to_hex(value.data(), size));
  state_.reset();
  return digest;
}

oci::Digest digest_of(Bytes data, oci::DigestAlgorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(data);
  return hasher.finish();
}

oci::Digest digest_of(std::string_view data) { return digest_of(as_bytes(data)); }

HashingSource::HashingSource(Source& inner, oci::DigestAlgorithm algorithm) : inner_(inner), hasher_(algorithm) {}

std::size_t HashingSource::read(Buffer buffer) {
  std::size_t got = inner_.read(buffer);
  hasher_.update(buffer.first(got));
  size_ += got;
  return got;
}

HashingSink::HashingSink(Sink& inner, oci::DigestAlgorithm algorithm) : inner_(inner), hasher_(algorithm) {}

void HashingSink::write(Bytes data) {
  hasher_.update(data);
  size_ += data.size();
  inner_.write(data);
}

VerifyingSource::VerifyingSource(std::unique_ptr<Source> inner, oci::Digest digest, std::optional<std::uint64_t> size,
                                 std::string what)
    : inner_(std::move(inner)),
      expected_(std::move(digest)),
      expected_size_(size),
      what_(std::move(what)),
      hasher_(expected_.algorithm()) {}

std::size_t VerifyingSource::read(Buffer buffer) {
  if (done_ || buffer.empty()) return 0;
  std::size_t room = buffer.size();
  if (expected_size_) {
    std::uint64_t left = *expected_size_ - size_;
    if (left < room) room = static_cast<std::size_t>(left + 1);
  }
  std::size_t got = inner_->read(buffer.first(std::min(room, buffer.size())));
  size_ += got;
  if (expected_size_ && size_ > *expected_size_) {
    throw Error(ErrorCode::Corrupt,
                what_ + ": longer than the " + std::to_string(*expected_size_) + " bytes announced");
  }
  if (got != 0) {
    hasher_.update(buffer.first(got));
    return got;
  }
  if (expected_size_ && size_ != *expected_size_) {
    throw Error(ErrorCode::Corrupt, what_ + ": ends after " + std::to_string(size_) + " of " +
                                        std::to_string(*expected_size_) + " bytes announced");
  }
  auto actual = hasher_.finish();
  done_ = true;
  if (actual != expected_) {
    throw Error(ErrorCode::Corrupt, what_ + ": digest mismatch: expected " + expected_.str() + ", got " + actual.str());
  }
  return 0;
}

}  // namespace proa::io
