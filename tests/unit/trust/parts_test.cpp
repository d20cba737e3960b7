// What is pure: names, claims, stored forms, gpg's status, boxes and keys.
#include <gmock/gmock.h>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/trust/claim.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/identity.h"
#include "libcommon/trust/key_box.h"
#include "libcommon/trust/keys.h"
#include "libcommon/trust/secretbox.h"
#include "libcommon/trust/signature.h"

namespace proa::trust {
namespace {

using config::SignedIdentity;
using Kind = SignedIdentity::Kind;
using ::testing::HasSubstr;

constexpr const char* kDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

bool fits(const SignedIdentity& wanted, const char* image, const std::string& signed_name) {
  const auto reference = image == nullptr ? std::nullopt : std::optional(oci::Reference::parse_normalized(image));
  return !identity_mismatch(wanted, reference, signed_name);
}

SignedIdentity of(Kind kind) { return {.kind = kind, .reference = {}, .prefix = {}, .signed_prefix = {}}; }

TEST(Identity, MatchRepoDigestOrExact) {
  const auto wanted = of(Kind::MatchRepoDigestOrExact);
  const auto by_digest = std::string("busybox@") + kDigest;
  EXPECT_TRUE(fits(wanted, "busybox:1", "docker.io/library/busybox:1"));
  EXPECT_TRUE(fits(wanted, "busybox:1", "busybox:1"));
  EXPECT_FALSE(fits(wanted, "busybox:1", "busybox:2"));
  EXPECT_FALSE(fits(wanted, "busybox:1", "busybox"));
  EXPECT_TRUE(fits(wanted, by_digest.c_str(), "busybox:2"));
  EXPECT_FALSE(fits(wanted, by_digest.c_str(), "other:2"));
  EXPECT_FALSE(fits(wanted, nullptr, "busybox:1")) << "a place without names";
  EXPECT_FALSE(fits(wanted, "busybox:1", "not a name"));
}

TEST(Identity, MatchExactAndRepository) {
  const auto by_digest = std::string("busybox@") + kDigest;
  EXPECT_TRUE(fits(of(Kind::MatchExact), "busybox:1", "busybox:1"));
  EXPECT_FALSE(fits(of(Kind::MatchExact), by_digest.c_str(), "busybox:1"));
  EXPECT_TRUE(fits(of(Kind::MatchRepository), "busybox:1", "busybox"));
  EXPECT_TRUE(fits(of(Kind::MatchRepository), "busybox:1", "busybox:2"));
  EXPECT_FALSE(fits(of(Kind::MatchRepository), "busybox:1", "quay.io/library/busybox:1"));
}

TEST(Identity, ExactOnesNeedNoNameOfTheImage) {
  auto wanted = of(Kind::ExactReference);
  wanted.reference = oci::Reference::parse_normalized("vendor.example/app:1");
  EXPECT_TRUE(fits(wanted, nullptr, "vendor.example/app:1"));
  EXPECT_FALSE(fits(wanted, "vendor.example/app:2", "vendor.example/app:2"));
  wanted = of(Kind::ExactRepository);
  wanted.reference = oci::Reference::parse_normalized("vendor.example/app");
  EXPECT_TRUE(fits(wanted, nullptr, "vendor.example/app:7"));
  EXPECT_FALSE(fits(wanted, nullptr, "vendor.example/app2:7"));
}

TEST(Identity, RemapEndsAtBordersOfTheName) {
  auto wanted = of(Kind::Remap);
  wanted.prefix = "mirror.example:5000/vendor";
  wanted.signed_prefix = "vendor.example";
  EXPECT_TRUE(fits(wanted, "mirror.example:5000/vendor/a/b:1", "vendor.example/a/b:1"));
  EXPECT_FALSE(fits(wanted, "mirror.example:5000/vendor/a/b:1", "mirror.example:5000/vendor/a/b:1"));
  EXPECT_FALSE(fits(wanted, "mirror.example:5000/vendor2/a:1", "vendor.example2/a:1"));
  EXPECT_TRUE(fits(wanted, "elsewhere.example/a:1", "elsewhere.example/a:1")) << "what it does not cover stays";
}

std::string claim_json(const std::string& type, const std::string& more = "") {
  return R"({"critical":{"type":")" + type + R"(","image":{"docker-manifest-digest":")" + kDigest +
         R"("},"identity":{"docker-reference":"busybox:1"})" + more + R"(},"optional":{"creator":"x","timestamp":1}})";
}

TEST(Claim, IsReadStrictly) {
  const std::string atomic = "atomic container signature";
  EXPECT_EQ(parse_claim(claim_json(atomic), ClaimType::Atomic).identity, "busybox:1");
  EXPECT_THROW(parse_claim(claim_json(atomic), ClaimType::Cosign), Error) << "one kind is not taken for the other";
  EXPECT_THROW(parse_claim(claim_json("cosign attestation"), ClaimType::Cosign), Error);
  EXPECT_THROW(parse_claim(claim_json(atomic, R"(,"until":1)"), ClaimType::Atomic), Error) << "unknown in critical";
  EXPECT_THROW(parse_claim(claim_json(atomic, R"(,"type":"x")"), ClaimType::Atomic), Error) << "twice";
  EXPECT_THROW(parse_claim(claim_json(atomic) + "x", ClaimType::Atomic), Error);
  EXPECT_THROW(parse_claim("{}", ClaimType::Atomic), Error);
  EXPECT_THROW(parse_claim("", ClaimType::Atomic), Error);
  EXPECT_THROW(parse_claim(R"({"critical":{},"optional":{},"more":1})", ClaimType::Atomic), Error);
  auto weak = claim_json(atomic);
  weak.replace(weak.find(kDigest), std::string(kDigest).size(), "md5:d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_THROW(parse_claim(weak, ClaimType::Atomic), Error) << "a weak hash is no digest";
}

TEST(Claim, CosignLeavesOptionalNull) {
  auto text = claim_json("cosign container image signature");
  text = text.substr(0, text.find(R"("optional":)")) + R"("optional":null})";
  EXPECT_EQ(parse_claim(text, ClaimType::Cosign).manifest.str(), kDigest);
}

TEST(Claim, ComesBackAsItWasWritten) {
  const Claim claim{.manifest = oci::Digest::parse(kDigest), .identity = "example.com/a:1"};
  const auto read = parse_claim(encode_claim(claim, ClaimType::Cosign, 1700000000), ClaimType::Cosign);
  EXPECT_EQ(read.manifest, claim.manifest);
  EXPECT_EQ(read.identity, claim.identity);
}

TEST(StoredSignature, ComesBackAndUnknownFormsAreRefused) {
  const Signature sigstore{.format = Signature::Format::Sigstore,
                           .payload = std::string("{\0}", 3),
                           .media_type = std::string(kSigstorePayload),
                           .annotations = {{"a", "b"}}};
  EXPECT_EQ(Signature::parse(sigstore.stored()), sigstore);
  const Signature openpgp{
      .format = Signature::Format::OpenPgp, .payload = "\x90\x0d", .media_type = {}, .annotations = {}};
  EXPECT_EQ(Signature::parse(openpgp.stored()), openpgp);
  EXPECT_EQ(Signature::parse(std::string("\0simple-signing\n\x90\x0d", 18)), openpgp);
  for (const auto& text : {std::string(), std::string("-----BEGIN PGP SIGNED MESSAGE-----\n"), std::string("{}"),
                           std::string("\xff\x00", 2), std::string("\0future\nx", 9),
                           std::string("\0sigstore-json", 14), std::string("\0sigstore-json\n{}", 17)}) {
    EXPECT_THROW(Signature::parse(text), Error) << text;
  }
}

constexpr const char* kFingerprint = "EA98938CD18B4DBC6891E0E153F961F88893AAFE";

std::string good_status(const std::string& hash = "8", const std::string& kind = "00") {
  return std::string(
             "[GNUPG:] PLAINTEXT 62 0 \n[GNUPG:] PLAINTEXT_LENGTH 5\n[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 53F9 x\n") +
         "[GNUPG:] VALIDSIG " + kFingerprint + " 2026-12-01 1 0 4 0 1 " + hash + " " + kind + " " + kFingerprint + "\n";
}

TEST(GpgStatus, OneGoodSignatureIsOne) { EXPECT_EQ(read_gpg_verdict(good_status()).fingerprint, kFingerprint); }

TEST(GpgStatus, AnythingElseIsNone) {
  const auto refusal = [](const std::string& status) { return read_gpg_verdict(status).refusal; };
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("[GNUPG:] PLAINTEXT 62 0 \n"), "") << "not signed";
  EXPECT_NE(refusal(good_status() + "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 1 x\n"), "");
  EXPECT_NE(refusal(good_status() + good_status()), "") << "two signatures";
  for (const char* word : {"EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG", "NODATA", "BADARMOR", "FAILURE", "ENC_TO"})
    EXPECT_NE(refusal(good_status() + "[GNUPG:] " + word + " x\n"), "") << word;
  EXPECT_NE(refusal(" " + good_status().substr(good_status().find("[GNUPG:] VALIDSIG"))), "")
      << "lines begin with the prefix";
  EXPECT_NE(refusal("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 1 x\n[GNUPG:] PLAINTEXT 62\n[GNUPG:] VALIDSIG x\n"), "");
}

TEST(GpgStatus, WeakHashesAndOtherKindsAreRefused) {
  for (const char* hash : {"1", "2", "3", "11"})
    EXPECT_THAT(read_gpg_verdict(good_status(hash)).refusal, HasSubstr("weak hash")) << hash;
  EXPECT_NE(read_gpg_verdict(good_status("8", "01")).refusal, "");
}

// The test of NaCl's own distribution (tests/secretbox.c).
TEST(Secretbox, MatchesNacl) {
  const auto key = from_hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  const auto nonce = from_hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const auto text = from_hex(
      "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4"
      "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
      "f0a089bc76897040e082f937763848645e0705");
  const auto box = secretbox_seal(text, key, nonce);
  EXPECT_EQ(box,
            from_hex("f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a118"
                     "6ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e5"
                     "26ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654c"
                     "b45a74e355a5"));
  EXPECT_EQ(secretbox_open(box, key, nonce), text);
}

TEST(Secretbox, ChangesAreNoticed) {
  const std::string key(32, 'k'), nonce(24, 'n');
  const auto box = secretbox_seal("secret", key, nonce);
  for (std::size_t i = 0; i < box.size(); ++i) {
    auto changed = box;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(secretbox_open(changed, key, nonce), std::nullopt) << i;
  }
  EXPECT_EQ(secretbox_open(box, std::string(32, 'x'), nonce), std::nullopt);
  EXPECT_EQ(secretbox_open("short", key, nonce), std::nullopt);
  EXPECT_EQ(secretbox_open(secretbox_seal("", key, nonce), key, nonce), "");
}

TEST(Keys, SignVerifyAndComeBackFromTheirFile) {
  const auto made = PrivateKey::generate();
  const auto key = PrivateKey::decrypt(made.encrypt("pass"), "pass", "x.key");
  const auto pub = PublicKey::parse(made.public_pem(), "x.pub");
  const auto signature = key.sign("text");
  EXPECT_TRUE(pub.verifies("text", signature));
  EXPECT_FALSE(pub.verifies("texT", signature));
  EXPECT_FALSE(pub.verifies("text", ""));
  EXPECT_FALSE(pub.verifies("text", signature.substr(1)));
  EXPECT_FALSE(PublicKey::parse(PrivateKey::generate().public_pem(), "y").verifies("text", signature));
}

TEST(Keys, WrongPassphrasesAndFilesAreRefused) {
  const auto pem = PrivateKey::generate().encrypt("pass");
  EXPECT_THROW(PrivateKey::decrypt(pem, "other", "x.key"), Error);
  EXPECT_THROW(PrivateKey::decrypt("", "pass", "x.key"), Error);
  EXPECT_THROW(PrivateKey::decrypt(make_pem("ENCRYPTED COSIGN PRIVATE KEY", "{}"), "pass", "x.key"), Error);
  EXPECT_THROW(PublicKey::parse("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "x"), Error);
  EXPECT_THROW(PublicKey::parse(pem, "x"), Error);
}

TEST(Keys, ParametersThatEatMemoryAreRefused) {
  auto json = wrap_key("key", "pass");
  json.replace(json.find("32768"), 5, "1073741824");
  EXPECT_THROW(unwrap_key(json, "pass", "x.key"), Error);
}

// Made with openssl: a curve and a key size that nobody should trust.
TEST(Keys, WeakKeysAreRefused) {
  constexpr const char* kRsa1024 = R"(-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDsWaVoF9J/FORkP/xDjz8BisPy
mKvArx4MeOyVmxJnYQHBKW97b2QXe++UalNlkPr/CJ8qzXEaJd96ZLtTwEo862b7
ciiDCoH03a7NmHxwUI1mU9Gzey5ihdQyb47HNlgc7lsCpM+i2+ayZ2N0QEMu8Jes
il2AZ4tKYVQsvBrzvQIDAQAB
-----END PUBLIC KEY-----
)";
  constexpr const char* kOtherCurve = R"(-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEvlyMvGd0mfLYAqSglzSeqHI83Qke+4yY
fs7SCqJ/RIQGzPv+LMA+ymcng/yp/WgeNy39+w0FgfmPHvT3hgASyg==
-----END PUBLIC KEY-----
)";
  for (const char* pem : {kRsa1024, kOtherCurve}) {
    try {
      PublicKey::parse(pem, "x");
      ADD_FAILURE() << pem;
    } catch (const Error& error) {
      EXPECT_THAT(error.text(), HasSubstr("neither ECDSA"));
    }
  }
}

}  // namespace
}  // namespace proa::trust
