// Digests on the way: what is hashed here is what goes on. The only header in front of openssl's digests.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "libcommon/io/stream.h"
#include "libcommon/oci/digest.h"

namespace proa::io {

class Hasher {
 public:
  explicit Hasher(oci::DigestAlgorithm algorithm = oci::DigestAlgorithm::Sha256);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void update(Bytes data);
  oci::Digest finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

oci::Digest digest_of(Bytes data, oci::DigestAlgorithm algorithm = oci::DigestAlgorithm::Sha256);
oci::Digest digest_of(std::string_view data);

// Hashes and counts what passes through.
class HashingSource final : public Source {
 public:
  explicit HashingSource(Source& inner, oci::DigestAlgorithm algorithm = oci::DigestAlgorithm::Sha256);
  std::size_t read(Buffer buffer) override;
  std::uint64_t size() const { return size_; }
  oci::Digest finish() { return hasher_.finish(); }

 private:
  Source& inner_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
};

class HashingSink final : public Sink {
 public:
  explicit HashingSink(Sink& inner, oci::DigestAlgorithm algorithm = oci::DigestAlgorithm::Sha256);
  void write(Bytes data) override;
  void finish() override { inner_.finish(); }
  std::uint64_t size() const { return size_; }
  oci::Digest digest() { return hasher_.finish(); }

 private:
  Sink& inner_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
};

// Checks size (when known) and digest of what passes: reads at most size + 1 bytes, and throws Corrupt where it would
// have returned the end of the stream, so that nobody can forget to check.
class VerifyingSource final : public Source {
 public:
  VerifyingSource(std::unique_ptr<Source> inner, oci::Digest digest, std::optional<std::uint64_t> size,
                  std::string what);
  std::size_t read(Buffer buffer) override;

 private:
  std::unique_ptr<Source> inner_;
  oci::Digest expected_;
  std::optional<std::uint64_t> expected_size_;
  std::string what_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
  bool done_ = false;
};

}  // namespace proa::io
