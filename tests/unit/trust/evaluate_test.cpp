// Policies against signatures, the OpenPGP ones made by the gpg of this machine.
#include "libcommon/trust/evaluate.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/os/process.h"
#include "libcommon/trust/claim.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/keys.h"
#include "libcommon/trust/sign.h"
#include "tests/support/environment.h"

namespace proa::trust {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kManifest = R"({"schemaVersion":2})";

oci::Reference named(const std::string& text) { return oci::Reference::parse_normalized(text); }

// "allowed", or why not.
std::string verdict(const std::string& requirements, const std::vector<Signature>& signatures,
                    const std::string& image = "example.com/app:1", std::string_view manifest = kManifest) {
  Evaluator evaluator(config::Policy::parse(R"({"default":[)" + requirements + "]}", "p"));
  try {
    evaluator.require_allowed({.name = "docker://" + image,
                               .scope = config::docker_scope(named(image)),
                               .reference = named(image),
                               .manifest = manifest},
                              [&] { return signatures; });
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PermissionDenied) << error.text();
    return error.text();
  }
  return "allowed";
}

Signature sigstore(const PrivateKey& key, const std::string& payload) {
  return {.format = Signature::Format::Sigstore,
          .payload = payload,
          .media_type = std::string(kSigstorePayload),
          .annotations = {{std::string(kSigstoreSignature), base64_encode(key.sign(payload))}}};
}

std::string payload_for(const std::string& identity, ClaimType type = ClaimType::Cosign) {
  return encode_claim({.manifest = io::digest_of(kManifest), .identity = identity}, type, 1);
}

std::string sigstore_requirement(const PrivateKey& key, const std::string& more = "") {
  return R"({"type":"sigstoreSigned","keyData":")" + base64_encode(key.public_pem()) + "\"" + more + "}";
}

TEST(Evaluate, RejectAndAcceptNeedNoSignatures) {
  EXPECT_EQ(verdict(R"({"type":"insecureAcceptAnything"})", {}), "allowed");
  EXPECT_THAT(verdict(R"({"type":"reject"})", {}), HasSubstr("rejected by policy"));
  EXPECT_THAT(verdict(R"({"type":"insecureAcceptAnything"},{"type":"reject"})", {}), HasSubstr("rejected"))
      << "all requirements count";
}

TEST(Evaluate, SigstoreAcceptsWhatTheKeySignedForThisImage) {
  const auto key = PrivateKey::generate();
  EXPECT_EQ(verdict(sigstore_requirement(key), {sigstore(key, payload_for("example.com/app:1"))}), "allowed");
  EXPECT_THAT(verdict(sigstore_requirement(key), {}), HasSubstr("no signature exists"));
}

TEST(Evaluate, SigstoreOfAnotherKeyNameOrManifestIsNone) {
  const auto key = PrivateKey::generate();
  const auto good = payload_for("example.com/app:1");
  EXPECT_THAT(verdict(sigstore_requirement(key), {sigstore(PrivateKey::generate(), good)}), HasSubstr("trusted key"));
  EXPECT_THAT(verdict(sigstore_requirement(key), {sigstore(key, payload_for("example.com/app:2"))}),
              HasSubstr("signature is for \"example.com/app:2\""));
  EXPECT_THAT(verdict(sigstore_requirement(key), {sigstore(key, good)}, "example.com/app:1", "{}"),
              HasSubstr("is for manifest"));
  EXPECT_THAT(verdict(sigstore_requirement(key), {sigstore(key, payload_for("example.com/app"))}),
              HasSubstr("signature is for"))
      << "cosign signs no tag";
  EXPECT_EQ(verdict(sigstore_requirement(key, R"(,"signedIdentity":{"type":"matchRepository"})"),
                    {sigstore(key, payload_for("example.com/app"))}),
            "allowed");
}

// CVE-2022-35929, CVE-2026-39395: what cannot be read, or is of another kind, is no match.
TEST(Evaluate, OnlyAFullyParsedMatchCounts) {
  const auto key = PrivateKey::generate();
  auto other_type = sigstore(key, payload_for("example.com/app:1"));
  other_type.media_type = "application/vnd.dsse.envelope.v1+json";
  EXPECT_NE(verdict(sigstore_requirement(key), {other_type}), "allowed");
  EXPECT_NE(verdict(sigstore_requirement(key), {sigstore(key, "{}")}), "allowed");
  EXPECT_NE(verdict(sigstore_requirement(key), {sigstore(key, payload_for("example.com/app:1") + "x")}), "allowed");
  EXPECT_NE(verdict(sigstore_requirement(key), {sigstore(key, payload_for("example.com/app:1", ClaimType::Atomic))}),
            "allowed");
  auto unsigned_one = sigstore(key, payload_for("example.com/app:1"));
  unsigned_one.annotations.clear();
  EXPECT_NE(verdict(sigstore_requirement(key), {unsigned_one}), "allowed");
  const auto good = sigstore(key, payload_for("example.com/app:1"));
  EXPECT_EQ(verdict(sigstore_requirement(key), {other_type, sigstore(key, "{}"), good}), "allowed")
      << "bad ones beside a good one do no harm";
}

TEST(Evaluate, ChangedPayloadsAreNoticed) {
  const auto key = PrivateKey::generate();
  auto changed = sigstore(key, payload_for("example.com/app:2"));
  changed.payload.replace(changed.payload.find("app:2"), 5, "app:1");
  EXPECT_THAT(verdict(sigstore_requirement(key), {changed}), HasSubstr("trusted key"));
}

// CVE-2024-29902, CVE-2024-29903
TEST(Evaluate, MoreSignaturesThanTheCeilingAreRefused) {
  const auto key = PrivateKey::generate();
  const std::vector<Signature> many(kMaxSignatures + 1, sigstore(key, payload_for("example.com/app:1")));
  EXPECT_THAT(verdict(sigstore_requirement(key), many), HasSubstr("more than"));
}

// Entries of transparency logs and certificates are not looked at, so nothing that asks for them is fulfilled
// (CVE-2022-23649, CVE-2022-36056, CVE-2026-22703, CVE-2026-24122).
TEST(Evaluate, WhatCannotBeCheckedRejects) {
  const auto key = PrivateKey::generate();
  EXPECT_THAT(verdict(sigstore_requirement(key, R"(,"rekorPublicKeyPath":"/x")"),
                      {sigstore(key, payload_for("example.com/app:1"))}),
              HasSubstr("rekorPublicKeyPath"));
}

TEST(Evaluate, AKeyFileThatIsNoneIsAnErrorAndNeverAMatch) {
  const auto key = PrivateKey::generate();
  Evaluator evaluator(
      config::Policy::parse(R"({"default":[{"type":"sigstoreSigned","keyPath":"/nonexistent"}]})", "p"));
  EXPECT_THROW(evaluator.require_allowed({.name = "x",
                                          .scope = config::docker_scope(named("a.example/x:1")),
                                          .reference = named("a.example/x:1"),
                                          .manifest = kManifest},
                                         [&] { return std::vector{sigstore(key, payload_for("a.example/x:1"))}; }),
               Error);
}

// --- with gpg
class GpgTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!os::find_program("gpg") || !os::find_program("gpgconf")) GTEST_SKIP() << "gpg is not installed";
    environment_.set("GNUPGHOME", home_.path());
    std::filesystem::permissions(home_.path(), std::filesystem::perms::owner_all);
    make_key("one@example.com");
    make_key("two@example.com");
  }
  void TearDown() override {
    if (os::find_program("gpgconf")) os::run({.program = "gpgconf", .arguments = {"--kill", "all"}});
  }

  static std::string gpg(std::vector<std::string> arguments, std::string_view input = {}) {
    arguments.insert(arguments.begin(), {"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""});
    const auto output = os::run({.program = "gpg", .arguments = std::move(arguments)}, input);
    EXPECT_TRUE(output.status.success()) << output.err;
    return output.out;
  }
  static void make_key(const std::string& mail) { gpg({"--quick-generate-key", mail, "ed25519", "sign", "never"}); }
  static std::string requirement(const std::string& mail, const std::string& more = "") {
    return R"({"type":"signedBy","keyType":"GPGKeys","keyData":")" + base64_encode(gpg({"--export", mail})) + "\"" +
           more + "}";
  }
  static Signature openpgp(std::string bytes) {
    return {.format = Signature::Format::OpenPgp, .payload = std::move(bytes), .media_type = {}, .annotations = {}};
  }
  static Signature signed_by(const std::string& mail, const std::string& identity = "example.com/app:1") {
    return make_gpg_signer(mail, std::nullopt)->sign(io::digest_of(kManifest), named(identity));
  }

  testing::TempDir home_;
  testing::Environment environment_;
};

TEST_F(GpgTest, AcceptsWhatTheWantedKeySigned) {
  EXPECT_EQ(verdict(requirement("one@example.com"), {signed_by("one@example.com")}), "allowed");
  EXPECT_EQ(verdict(requirement("one@example.com"), {signed_by("two@example.com"), signed_by("one@example.com")}),
            "allowed");
}

TEST_F(GpgTest, KeysOfTheUserAreNotTrusted) {
  EXPECT_THAT(verdict(requirement("one@example.com"), {signed_by("two@example.com")}), HasSubstr("not trusted here"));
}

TEST_F(GpgTest, AllRequirementsNeedTheirOwnSignature) {
  const auto both = requirement("one@example.com") + "," + requirement("two@example.com");
  EXPECT_NE(verdict(both, {signed_by("one@example.com")}), "allowed");
  EXPECT_EQ(verdict(both, {signed_by("one@example.com"), signed_by("two@example.com")}), "allowed");
}

TEST_F(GpgTest, IdentityAndManifestAreCompared) {
  const auto wanted = requirement("one@example.com");
  EXPECT_THAT(verdict(wanted, {signed_by("one@example.com", "example.com/app:2")}), HasSubstr("signature is for"));
  EXPECT_THAT(verdict(wanted, {signed_by("one@example.com")}, "example.com/app:1", "{}"), HasSubstr("is for manifest"));
}

TEST_F(GpgTest, ChangedUnsignedAndDetachedMessagesAreRefused) {
  const auto wanted = requirement("one@example.com");
  const auto payload = payload_for("example.com/app:1", ClaimType::Atomic);
  auto changed = signed_by("one@example.com");
  changed.payload.replace(changed.payload.find("app:1"), 5, "app:2");
  EXPECT_THAT(verdict(wanted, {changed}, "example.com/app:2"), HasSubstr("signature is wrong"));
  EXPECT_NE(verdict(wanted, {openpgp(gpg({"--store"}, payload))}), "allowed") << "a literal message";
  EXPECT_NE(verdict(wanted, {openpgp(gpg({"-u", "one@example.com", "--detach-sign"}, payload))}), "allowed");
  EXPECT_NE(verdict(wanted, {openpgp(gpg({"-u", "one@example.com", "--clear-sign"}, payload))}), "allowed");
  EXPECT_NE(verdict(wanted, {openpgp("\x90\x0d garbage")}), "allowed");
  EXPECT_NE(verdict(wanted, {openpgp(std::string(100, '\x90'))}), "allowed");
}

// CVE-2022-39237
TEST_F(GpgTest, WeakHashesAreRefused) {
  const auto payload = payload_for("example.com/app:1", ClaimType::Atomic);
  for (const char* hash : {"SHA1", "RIPEMD160", "SHA224"}) {
    const auto message = gpg({"-u", "one@example.com", "--digest-algo", hash, "--sign"}, payload);
    EXPECT_NE(verdict(requirement("one@example.com"), {openpgp(message)}), "allowed") << hash;
  }
  EXPECT_EQ(verdict(requirement("one@example.com"),
                    {openpgp(gpg({"-u", "one@example.com", "--digest-algo", "SHA512", "--sign"}, payload))}),
            "allowed");
}

TEST_F(GpgTest, TwoSignaturesOnOneMessageAreRefused) {
  const auto payload = payload_for("example.com/app:1", ClaimType::Atomic);
  const auto message = gpg({"-u", "one@example.com", "-u", "two@example.com", "--sign"}, payload);
  EXPECT_NE(verdict(requirement("one@example.com"), {openpgp(message)}), "allowed");
}

TEST_F(GpgTest, ExpiredSignaturesAreRefused) {
  const auto payload = payload_for("example.com/app:1", ClaimType::Atomic);
  const auto message = gpg({"-u", "one@example.com", "--faked-system-time", "20200101T000000!",
                            "--ignore-time-conflict", "--default-sig-expire", "1d", "--sign"},
                           payload);
  EXPECT_NE(verdict(requirement("one@example.com"), {openpgp(message)}), "allowed");
}

TEST_F(GpgTest, BombsMeetTheLimit) {
  const auto message = gpg({"-u", "one@example.com", "--compress-algo", "zlib", "--sign"}, std::string(64 << 20, ' '));
  EXPECT_NE(verdict(requirement("one@example.com"), {openpgp(message)}), "allowed");
}

TEST_F(GpgTest, KeysThatAreNoneAreAnError) {
  EXPECT_THROW(GpgKeyring().add("no key", "x"), Error);
  EXPECT_THROW(GpgKeyring().add("", "x"), Error);
}

TEST_F(GpgTest, NamesOfKeysAreNoOptions) {
  EXPECT_THROW(gpg_sign("text", "--version", std::nullopt), Error);
  EXPECT_THROW(gpg_sign("text", "", std::nullopt), Error);
  EXPECT_THROW(gpg_sign("text", "nobody@example.com", std::nullopt), Error);
}

TEST_F(GpgTest, OwnersOfKeysAreListed) {
  EXPECT_THAT(gpg_user_ids(gpg({"--export", "one@example.com"})), ::testing::ElementsAre("one@example.com"));
}

}  // namespace
}  // namespace proa::trust
