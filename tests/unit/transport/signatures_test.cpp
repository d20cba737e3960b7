// Signatures in lookasides, registries and directories.
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/docker_lookaside.h"
#include "libcommon/transport/signature_list.h"
#include "tests/support/fake_registry.h"
#include "tests/unit/transport/transport_fixture.h"

namespace proa::transport {
namespace {

using testing::FakeRegistry;
using testing::image_spec;
using testing::MemoryImage;

trust::Signature openpgp(const std::string& text) {
  return {.format = trust::Signature::Format::OpenPgp, .payload = "\x90" + text, .media_type = {}, .annotations = {}};
}

trust::Signature sigstore(const std::string& text) {
  return {.format = trust::Signature::Format::Sigstore,
          .payload = text,
          .media_type = std::string(trust::kSigstorePayload),
          .annotations = {{std::string(trust::kSigstoreSignature), "c2ln"}}};
}

class Signatures : public TransportTest {
 protected:
  Signatures() {
    options_.registries_d = path("registries.d");
    options_.no_credentials = true;
  }
  void configure(const std::string& lines) {
    dir_.write("registries.d/a.yaml", "docker:\n  " + registry_.host() + ":\n" + lines);
  }
  oci::Reference reference(const std::string& name = "org/app:1") const {
    return oci::Reference::parse_normalized(registry_.host() + "/" + name);
  }
  std::unique_ptr<ImageDestination> destination(const std::string& name = "org/app:1") {
    return open_docker_destination(reference(name), options_);
  }
  std::vector<trust::Signature> read(const std::string& name = "org/app:1") {
    return open_docker_source(reference(name), options_)->signatures(image_.top().digest(), std::nullopt, {});
  }

  FakeRegistry registry_;
  RegistryOptions options_;
  MemoryImage image_{image_spec("signed", 1)};
};

TEST_F(Signatures, OfBothKindsComeBack) {
  configure("    lookaside: file://" + path("side") + "\n    use-sigstore-attachments: true\n");
  image::run_copy(image_, *destination(), {}, {});
  const std::vector<trust::Signature> both = {openpgp("a"), sigstore("{\"a\":1}")};
  destination()->put_signatures(both, image_.top().digest(), std::nullopt, {});
  EXPECT_EQ(read(), both);
  destination()->put_signatures({openpgp("a"), sigstore("{\"b\":2}"), openpgp("b")}, image_.top().digest(),
                                std::nullopt, {});
  EXPECT_EQ(read(), (std::vector{openpgp("a"), openpgp("b"), sigstore("{\"a\":1}"), sigstore("{\"b\":2}")}))
      << "added once each, the earlier ones stay";
}

TEST_F(Signatures, LiveUnderTheNamesThatPeersKnow) {
  configure("    lookaside: file://" + path("side") + "\n    use-sigstore-attachments: true\n");
  image::run_copy(image_, *destination(), {}, {});
  const auto digest = image_.top().digest();
  destination()->put_signatures({openpgp("a"), sigstore("{}")}, digest, std::nullopt, {});
  EXPECT_EQ(dir_.read("side/org/app@sha256=" + std::string(digest.hex()) + "/signature-1"),
            "\x90"
            "a");
  const auto manifest =
      oci::Manifest::parse(registry_.manifest("org/app", "sha256-" + std::string(digest.hex()) + ".sig"));
  EXPECT_EQ(manifest.media_type, oci::kOciManifest);
  EXPECT_EQ(manifest.layers.at(0).media_type, trust::kSigstorePayload);
  EXPECT_EQ(manifest.layers.at(0).annotations.at(std::string(trust::kSigstoreSignature)), "c2ln");
}

TEST_F(Signatures, AttachmentsHaveToBeSwitchedOn) {
  configure("    lookaside: file://" + path("side") + "\n");
  image::run_copy(image_, *destination(), {}, {});
  const auto error =
      failure([&] { destination()->put_signatures({sigstore("{}")}, image_.top().digest(), std::nullopt, {}); });
  EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
  EXPECT_THAT(read(), ::testing::IsEmpty());
}

TEST_F(Signatures, AttachmentsAreVerifiedLikeAnyBlob) {
  configure("    use-sigstore-attachments: true\n");
  image::run_copy(image_, *destination(), {}, {});
  destination()->put_signatures({sigstore("{}")}, image_.top().digest(), std::nullopt, {});
  const auto tag = "sha256-" + std::string(image_.top().digest().hex()) + ".sig";
  auto manifest = oci::Manifest::parse(registry_.manifest("org/app", tag));
  manifest.layers.at(0).size += 1;
  registry_.add_manifest("org/app", tag, oci::Manifest::encode(manifest).raw, std::string(oci::kOciManifest));
  EXPECT_EQ(failure([&] { read(); }).code(), ErrorCode::Corrupt);
}

TEST_F(Signatures, HaveCeilings) {
  SignatureList list("x");
  for (std::size_t i = 0; i < trust::kMaxSignatures; ++i) list.add(openpgp(std::to_string(i)));
  EXPECT_EQ(failure([&] { list.add(openpgp("more")); }).code(), ErrorCode::LimitExceeded);
  SignatureList large("x");
  EXPECT_EQ(failure([&] { large.add(openpgp(std::string(trust::kMaxSignatureSize, 'x'))); }).code(),
            ErrorCode::LimitExceeded);
  SignatureList many("x");
  const std::string big(trust::kMaxSignatureSize - 10, 'x');
  EXPECT_EQ(failure([&] {
              for (int i = 0; i < 20; ++i) many.add(openpgp(big + std::to_string(i)));
            }).code(),
            ErrorCode::LimitExceeded);

  configure("    use-sigstore-attachments: true\n");
  image::run_copy(image_, *destination(), {}, {});
  const auto tag = "sha256-" + std::string(image_.top().digest().hex()) + ".sig";
  auto manifest = image_.manifest();
  manifest.layers.assign(trust::kMaxSignatures + 1, manifest.layers.at(0));
  registry_.add_manifest("org/app", tag, oci::Manifest::encode(manifest).raw, std::string(oci::kOciManifest));
  EXPECT_EQ(failure([&] { read(); }).code(), ErrorCode::LimitExceeded);
  manifest.layers.assign(1, manifest.layers.at(0));
  manifest.layers.at(0).size = trust::kMaxSignatureSize + 1;
  registry_.add_manifest("org/app", tag, oci::Manifest::encode(manifest).raw, std::string(oci::kOciManifest));
  EXPECT_EQ(failure([&] { read(); }).code(), ErrorCode::LimitExceeded);
}

TEST_F(Signatures, OfADirectory) {
  copy(image_, "dir:" + path("d"));
  dir_.write("d/signature-1", openpgp("a").stored());
  dir_.write("d/signature-2", sigstore("{}").stored());
  dir_.write("d/signature-4", "not reached");
  const auto source = open_source(ImageName::parse("dir:" + path("d")), {});
  EXPECT_EQ(source->signatures(image_.top().digest(), std::nullopt, {}), (std::vector{openpgp("a"), sigstore("{}")}));
  copy("dir:" + path("d"), "dir:" + path("e"));
  EXPECT_EQ(dir_.read("e/signature-2"), sigstore("{}").stored());
  image::CopyOptions without;
  without.remove_signatures = true;
  copy("dir:" + path("d"), "dir:" + path("e"), without);
  EXPECT_FALSE(std::filesystem::exists(path("e/signature-1"))) << "those of an earlier image go";
}

}  // namespace
}  // namespace proa::transport
