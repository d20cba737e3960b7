// What the copy engine does with policies and signatures.
#include <gmock/gmock.h>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/image/copy.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/trust/keys.h"
#include "libcommon/trust/sign.h"
#include "tests/support/environment.h"
#include "tests/support/memory_image.h"

namespace proa::image {
namespace {

using testing::image_spec;
using testing::MemoryDestination;
using testing::MemoryImage;
using transport::SignatureStorage;

std::shared_ptr<const config::Policy> policy(const std::string& requirements) {
  return std::make_shared<const config::Policy>(
      config::Policy::parse(R"({"default":[)" + requirements + "]}", "policy.json"));
}

class Policy : public ::testing::Test {
 protected:
  Policy() : key_(trust::PrivateKey::generate()) {
    source_.reference = oci::Reference::parse_normalized("example.com/app:1");
    destination_.wanted.signatures = SignatureStorage::Kept;
    signer_ = trust::make_sigstore_signer(files_.write("x.key", key_.encrypt("p")), "p");
  }
  std::shared_ptr<const config::Policy> signed_by_key() const {
    return policy(R"({"type":"sigstoreSigned","keyData":")" + base64_encode(key_.public_pem()) + "\"}");
  }
  void sign(MemoryImage& image, const oci::Digest& digest) const {
    image.signatures_of[digest].push_back(signer_->sign(digest, *image.reference));
  }
  ErrorCode result(const std::shared_ptr<const config::Policy>& wanted, const CopyOptions& options = {}) {
    destination_.committed = false;
    try {
      run_copy(source_, destination_, options, {.policy = wanted});
      return ErrorCode::Internal;  // stands for success
    } catch (const Error& error) {
      EXPECT_FALSE(destination_.committed);
      return error.code();
    }
  }
  static constexpr ErrorCode kCopied = ErrorCode::Internal;

  testing::TempDir files_;
  trust::PrivateKey key_;
  std::shared_ptr<const trust::Signer> signer_;
  MemoryImage source_{image_spec("policy", 2)};
  MemoryDestination destination_;
};

TEST_F(Policy, RefusedImagesAreNotReadFurther) {
  EXPECT_EQ(result(policy(R"({"type":"reject"})")), ErrorCode::PermissionDenied);
  EXPECT_EQ(source_.opened, 0) << "neither config nor layers";
  EXPECT_TRUE(destination_.blobs.empty());
}

TEST_F(Policy, TheUsersFileCountsWhereNothingElseIsSaid) {
  testing::Environment environment;
  environment.set("HOME", files_.path());
  files_.write(".config/containers/policy.json", R"({"default":[{"type":"reject"}]})");
  EXPECT_EQ(result(nullptr), ErrorCode::PermissionDenied);
}

TEST_F(Policy, SignedImagesPassAndTheirSignaturesComeAlong) {
  EXPECT_EQ(result(signed_by_key()), ErrorCode::PermissionDenied) << "not signed yet";
  sign(source_, source_.top().digest());
  EXPECT_EQ(result(signed_by_key()), kCopied);
  EXPECT_EQ(destination_.signatures_put.at(source_.top().digest()).size(), 1U);
}

TEST_F(Policy, TheManifestThatWasCheckedIsTheOneThatIsCopied) {
  sign(source_, source_.top().digest());
  const auto good = source_.top();
  // A registry that answers otherwise the second time.
  auto evil = oci::Manifest::parse(good.bytes, good.media_type);
  evil.annotations["evil"] = "yes";
  source_.after_first_manifest = transport::ManifestBytes{oci::Manifest::encode(evil).raw, good.media_type};
  EXPECT_EQ(result(signed_by_key()), kCopied);
  EXPECT_EQ(destination_.top->bytes, good.bytes);
}

TEST_F(Policy, OfAnIndexEachImageIsAskedAbout) {
  auto arm = image_spec("arm", 1);
  arm.architecture = "arm64";
  source_.make_index({image_spec("amd", 1), arm});
  const auto index = oci::Index::parse(source_.top().bytes, source_.top().media_type);
  sign(source_, source_.top().digest());
  CopyOptions all{.instances = Instances::All};
  EXPECT_EQ(result(signed_by_key(), all), ErrorCode::PermissionDenied);
  sign(source_, index.manifests[0].digest);
  EXPECT_EQ(result(signed_by_key(), all), ErrorCode::PermissionDenied) << "one of two";
  sign(source_, index.manifests[1].digest);
  EXPECT_EQ(result(signed_by_key(), all), kCopied);
  EXPECT_EQ(destination_.signatures_put.size(), 3U) << "of the index as well";
}

TEST_F(Policy, AnIndexAloneIsAskedAboutToo) {
  source_.make_index({image_spec("amd", 1)});
  EXPECT_EQ(result(policy(R"({"type":"reject"})"), {.instances = Instances::IndexOnly}), ErrorCode::PermissionDenied);
}

TEST_F(Policy, SignedImagesKeepTheirDigest) {
  sign(source_, source_.top().digest());
  CopyOptions convert{.manifest_type = std::string(oci::kDockerManifest)};
  EXPECT_EQ(result(signed_by_key(), convert), ErrorCode::InvalidArgument);
  convert.remove_signatures = true;
  EXPECT_EQ(result(signed_by_key(), convert), kCopied);
  EXPECT_TRUE(destination_.signatures_put.empty());
}

TEST_F(Policy, PlacesThatHoldNoSignaturesSaySo) {
  sign(source_, source_.top().digest());
  destination_.wanted.signatures = SignatureStorage::None;
  EXPECT_EQ(result(signed_by_key()), ErrorCode::Unsupported);
  destination_.wanted.signatures = SignatureStorage::Dropped;
  EXPECT_EQ(result(signed_by_key()), kCopied);
}

TEST_F(Policy, SigningNeedsANameAndAPlace) {
  const auto open = policy(R"({"type":"insecureAcceptAnything"})");
  CopyOptions options;
  options.signers = {signer_};
  EXPECT_EQ(result(open, options), ErrorCode::InvalidArgument) << "the destination has no name";
  options.sign_identity = oci::Reference::parse_normalized("example.com/app");
  EXPECT_EQ(result(open, options), ErrorCode::InvalidArgument) << "no tag";
  options.sign_identity = oci::Reference::parse_normalized("example.com/app:1");
  EXPECT_EQ(result(open, options), kCopied);
  EXPECT_EQ(destination_.signatures_put.at(source_.top().digest()).size(), 1U);
  destination_.wanted.signatures = SignatureStorage::None;
  EXPECT_EQ(result(open, options), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace proa::image
