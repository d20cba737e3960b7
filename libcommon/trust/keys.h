// Keys of sigstore signatures: PEM files as cosign and skopeo write them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace proa::trust {

class PublicKey {
 public:
  // "-----BEGIN PUBLIC KEY-----": ECDSA on the NIST curves, RSA from 2048 bits on, Ed25519. InvalidArgument for
  // anything else.
  static PublicKey parse(std::string_view pem, const std::string& name);
  // With SHA-256 where the key does not settle the hash itself.
  bool verifies(std::string_view text, std::string_view signature) const;

 private:
  friend class PrivateKey;
  struct Key;
  explicit PublicKey(std::shared_ptr<const Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const Key> key_;
};

class PrivateKey {
 public:
  static PrivateKey generate();  // ECDSA P-256
  // "ENCRYPTED COSIGN PRIVATE KEY" or "ENCRYPTED SIGSTORE PRIVATE KEY". InvalidArgument: a wrong passphrase, or no such
  // file.
  static PrivateKey decrypt(std::string_view pem, std::string_view passphrase, const std::string& name);

  std::string encrypt(std::string_view passphrase) const;  // PEM
  std::string public_pem() const;
  std::string sign(std::string_view text) const;

 private:
  explicit PrivateKey(std::shared_ptr<const PublicKey::Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const PublicKey::Key> key_;
};

}  // namespace proa::trust
