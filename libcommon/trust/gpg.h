// OpenPGP by the program gpg. Checking happens in a home of its own that holds the wanted keys and nothing of the user.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::trust {

struct VerifiedMessage {
  std::string text;         // what was signed
  std::string fingerprint;  // of the primary key, upper-case hex
};

// Keys in a temporary home; gone with the object.
class GpgKeyring {
 public:
  // With no keys. Unavailable when there is no gpg.
  GpgKeyring();
  GpgKeyring(const GpgKeyring&) = delete;
  GpgKeyring& operator=(const GpgKeyring&) = delete;
  ~GpgKeyring();

  // Adds the public keys of a file, armored or not. InvalidArgument when there are none in it. `name` is for messages.
  void add(std::string_view keys, const std::string& name);
  const std::vector<std::string>& fingerprints() const { return fingerprints_; }  // of primary keys

  // Corrupt, saying why, unless `message` is one OpenPGP message with one valid signature by one of these keys.
  VerifiedMessage verify(std::string_view message) const;

 private:
  std::string home_;
  std::vector<std::string> fingerprints_;
};

// The same with the keys of the user ($GNUPGHOME), for standalone-verify.
VerifiedMessage gpg_verify_with_user_keys(std::string_view message);

// Signs with a secret key of the user; `key` is a fingerprint or anything else that gpg takes for -u.
std::string gpg_sign(std::string_view text, const std::string& key, const std::optional<std::string>& passphrase);

// "Name <mail>" of the keys in a file, for `image trust show`.
std::vector<std::string> gpg_user_ids(std::string_view keys);

// What gpg reports on its status channel (doc/DETAILS of GnuPG), for one verification. Pure.
struct GpgVerdict {
  std::string fingerprint;  // of the primary key; empty: refused
  std::string refusal;      // why
};
GpgVerdict read_gpg_verdict(std::string_view status);

}  // namespace proa::trust
