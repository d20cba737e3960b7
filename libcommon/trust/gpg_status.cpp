#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/strings.h"
#include "libcommon/trust/gpg.h"

namespace proa::trust {
namespace {

constexpr std::string_view kPrefix = "[GNUPG:] ";

// Any of these is the end of it, whatever else is said.
struct Refusal {
  std::string_view keyword, meaning;
};
constexpr Refusal kRefusals[] = {
    {"BADSIG", "the signature is wrong"},
    {"EXPSIG", "the signature has expired"},
    {"EXPKEYSIG", "the key has expired"},
    {"REVKEYSIG", "the key was revoked"},
    {"NO_PUBKEY", "it was made by a key that is not trusted here"},
    {"ERRSIG", "the signature cannot be checked"},
    {"NODATA", "it is no OpenPGP message"},
    {"UNEXPECTED", "it is no signed OpenPGP message"},
    {"BADARMOR", "it is no OpenPGP message"},
    {"FAILURE", "gpg failed"},
    {"ENC_TO", "it is encrypted"},
    {"BEGIN_DECRYPTION", "it is encrypted"},
    {"DECRYPTION_FAILED", "it is encrypted"},
    {"NEED_PASSPHRASE", "it is encrypted"},
    {"NEED_PASSPHRASE_SYM", "it is encrypted"},
};

bool is_fingerprint(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

struct Counted {
  int new_signatures = 0, good = 0, valid = 0, plaintexts = 0;
  std::string refusal;
  std::vector<std::string> validsig;
};

Counted count(std::string_view status) {
  Counted result;
  for (const auto& line : split(status, '\n')) {
    if (!line.starts_with(kPrefix)) continue;
    auto words = split(std::string_view(line).substr(kPrefix.size()), ' ');
    const auto& keyword = words.front();
    if (keyword == "NEWSIG") ++result.new_signatures;
    if (keyword == "GOODSIG") ++result.good;
    if (keyword == "PLAINTEXT") ++result.plaintexts;
    if (keyword == "VALIDSIG") {
      ++result.valid;
      result.validsig = words;
    }
    // The first refusal tells most; NO_PUBKEY follows an ERRSIG and says what is meant by it.
    for (const auto& refusal : kRefusals) {
      const bool better = result.refusal.empty() || keyword == "NO_PUBKEY";
      if (keyword == refusal.keyword && better) result.refusal = refusal.meaning;
    }
  }
  return result;
}

GpgVerdict refused(std::string why) { return {.fingerprint = {}, .refusal = std::move(why)}; }

}  // namespace

GpgVerdict read_gpg_verdict(std::string_view status) {
  const auto counted = count(status);
  if (!counted.refusal.empty()) return refused(counted.refusal);
  if (counted.new_signatures == 0) return refused("it is not signed");
  if (counted.new_signatures != 1 || counted.good != 1 || counted.valid != 1)
    return refused("it has not exactly one good signature");
  if (counted.plaintexts != 1) return refused("it has not exactly one signed text");
  // VALIDSIG fingerprint date time expires version reserved key-algorithm hash-algorithm class primary-fingerprint
  const auto& words = counted.validsig;
  if (words.size() < 11 || !is_fingerprint(words[1]) || !is_fingerprint(words[10]))
    return refused("gpg's answer is not understood");
  // RFC 4880 9.4: 8 SHA-256, 9 SHA-384, 10 SHA-512. Older ones are broken or nearly so.
  if (words[8] != "8" && words[8] != "9" && words[8] != "10")
    return refused(fmt::format("it is made with a weak hash (number {} of OpenPGP)", words[8]));
  if (words[9] != "00") return refused("the signature is of another kind than one of data");
  return {.fingerprint = words[10], .refusal = {}};
}

}  // namespace proa::trust
