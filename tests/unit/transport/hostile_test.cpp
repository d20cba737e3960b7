// Layouts and archives that lie. None of this may be believed, block, or touch anything outside.
#include <sys/stat.h>

#include <chrono>

#include "libcommon/archive/archive_writer.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "tests/unit/transport/transport_fixture.h"

namespace proa::transport {
namespace {

using testing::image_spec;
using testing::MemoryImage;

class HostileLayout : public TransportTest {
 protected:
  void SetUp() override { copy(image_, "oci:" + path("l") + ":x"); }
  std::string blob(const oci::Digest& digest) const { return path("l/blobs/sha256/" + std::string(digest.hex())); }
  void index(const std::string& text) { dir_.write("l/index.json", text); }
  std::string entry(const std::string& digest, const std::string& size) const {
    return R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
           digest + R"(","size":)" + size + "}]}";
  }
  ErrorCode read_code() const {
    return failure([&] { read("oci:" + path("l")); }).code();
  }

  MemoryImage image_{image_spec("hostile", 2)};
};

TEST_F(HostileLayout, UnknownVersionIsRefused) {
  dir_.write("l/oci-layout", R"({"imageLayoutVersion":"9.9.9"})");
  EXPECT_EQ(read_code(), ErrorCode::Unsupported);
}

TEST_F(HostileLayout, DigestsThatAreNoneDoNotBecomePaths) {
  dir_.write("secret", "secret");
  for (const std::string bad :
       {"sha256:../../../secret", "../secret", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "",
        "sha256:A665A45920422F9D417E4867EFDC4FB8A04A1F3FFF1FA07E998E86F7F7A27AE3"}) {
    index(entry(bad, "10"));
    EXPECT_EQ(read_code(), ErrorCode::Corrupt) << bad;
  }
}

TEST_F(HostileLayout, ManifestOfOtherBytesOrSizeIsCorrupt) {
  const auto digest = image_.top().digest();
  const auto size = image_.top().bytes.size();
  for (const auto& wrong : {std::to_string(size + 1), std::to_string(size - 1), std::string("0"), std::string("-1"),
                            std::string("1.5"), std::string("null")}) {
    index(entry(digest.str(), wrong));
    EXPECT_EQ(read_code(), ErrorCode::Corrupt) << wrong;
  }
  index(entry(digest.str(), std::to_string(size)));
  auto bytes = image_.top().bytes;
  bytes.back() = ' ';
  dir_.write("l/blobs/sha256/" + std::string(digest.hex()), bytes);
  EXPECT_EQ(read_code(), ErrorCode::Corrupt);
}

TEST_F(HostileLayout, LayersThatAreCutGrownOrChangedAreCorrupt) {
  const auto layer = image_.manifest().layers[1];
  const auto good = image_.bytes_of(layer.digest);
  auto changed = good;
  changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 4);
  for (const auto& bytes : {good.substr(0, good.size() / 2), good + "more", changed, std::string()}) {
    dir_.write("l/blobs/sha256/" + std::string(layer.digest.hex()), bytes);
    EXPECT_EQ(read_code(), ErrorCode::Corrupt);
  }
}

TEST_F(HostileLayout, FifoAndDeviceAsBlobDoNotHang) {
  const auto layer = blob(image_.manifest().layers[0].digest);
  std::filesystem::remove(layer);
  ASSERT_EQ(::mkfifo(layer.c_str(), 0600), 0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(read_code(), ErrorCode::Corrupt);
  std::filesystem::remove(layer);
  std::filesystem::create_symlink("/dev/zero", layer);
  EXPECT_EQ(read_code(), ErrorCode::Corrupt);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(HostileLayout, MissingBlobIsNamed) {
  const auto layer = image_.manifest().layers[0].digest;
  std::filesystem::remove(blob(layer));
  const auto error = failure([&] { read("oci:" + path("l")); });
  EXPECT_EQ(error.code(), ErrorCode::NotFound);
  EXPECT_THAT(error.text(), ::testing::HasSubstr(std::string(layer.hex())));
}

TEST_F(HostileLayout, TooManyLayersAreRefused) {
  auto manifest = image_.manifest();
  while (manifest.layers.size() <= oci::kMaxLayers) manifest.layers.push_back(manifest.layers[0]);
  manifest = oci::Manifest::encode(std::move(manifest));
  const auto digest = io::digest_of(manifest.raw);
  dir_.write("l/blobs/sha256/" + std::string(digest.hex()), manifest.raw);
  index(entry(digest.str(), std::to_string(manifest.raw.size())));
  EXPECT_EQ(read_code(), ErrorCode::Corrupt);
}

class HostileArchive : public TransportTest {
 protected:
  using Members = std::vector<std::pair<std::string, std::string>>;

  // Layers are {name in the archive}.
  static std::string listing(const std::string& config, const std::string& layers) {
    return R"([{"Config":")" + config + R"(","RepoTags":["app:1"],"Layers":[)" + layers + "]}]";
  }
  void write(const Members& members) {
    io::StringSink sink;
    archive::ArchiveWriter writer(sink);
    for (const auto& [name, content] : members) writer.add_file(name, content);
    for (const auto& [name, target] : links_) writer.add_symlink(name, target);
    writer.finish();
    dir_.write("a.tar", sink.text());
  }
  Error read_error() const {
    return failure([&] { read("docker-archive:" + path("a.tar")); });
  }

  testing::ImageSpec spec_ = image_spec("archive", 1);
  MemoryImage image_{spec_};
  std::string config_ = image_.bytes_of(image_.manifest().config.digest);
  std::string config_name_ = std::string(image_.manifest().config.digest.hex()) + ".json";
  Members links_;
};

TEST_F(HostileArchive, OldFormWithLinkedLayersIsRead) {
  write({{config_name_, config_},
         {"abc/layer.tar", spec_.layers[0]},
         {"manifest.json", listing(config_name_, "\"def/layer.tar\"")}});
  EXPECT_EQ(read_error().code(), ErrorCode::NotFound);
  links_ = {{"def/layer.tar", "../abc/layer.tar"}};
  write({{config_name_, config_},
         {"abc/layer.tar", spec_.layers[0]},
         {"manifest.json", listing(config_name_, "\"def/layer.tar\"")}});
  EXPECT_EQ(read("docker-archive:" + path("a.tar")).blobs.size(), 2U);
}

TEST_F(HostileArchive, CompressedLayersAreReadAsPlainOnes) {
  write({{config_name_, config_},
         {"l.tar.gz", testing::compressed(spec_.layers[0], io::Compression::Gzip)},
         {"manifest.json", listing(config_name_, "\"l.tar.gz\"")}});
  const auto result = read("docker-archive:" + path("a.tar"));
  EXPECT_EQ(result.blobs.at(io::digest_of(spec_.layers[0])), spec_.layers[0]);
}

TEST_F(HostileArchive, CompressedArchiveIsRead) {
  write({{config_name_, config_}, {"l.tar", spec_.layers[0]}, {"manifest.json", listing(config_name_, "\"l.tar\"")}});
  dir_.write("a.tar", testing::compressed(dir_.read("a.tar"), io::Compression::Gzip));
  EXPECT_EQ(read("docker-archive:" + path("a.tar")).blobs.size(), 2U);
}

TEST_F(HostileArchive, LinksOutAndLoopsLeadNowhere) {
  dir_.write("secret", "secret");
  links_ = {{"out", "/etc/passwd"}, {"up", "../../../../etc/passwd"}, {"a", "b"}, {"b", "a"}};
  for (const std::string layer : {"out", "up", "a", "../secret", "/etc/passwd"}) {
    write({{config_name_, config_}, {"manifest.json", listing(config_name_, "\"" + layer + "\"")}});
    const auto code = read_error().code();
    EXPECT_TRUE(code == ErrorCode::NotFound || code == ErrorCode::Corrupt) << layer;
  }
}

TEST_F(HostileArchive, ConfigOfAnotherDigestThanItsNameIsCorrupt) {
  write({{config_name_, config_ + " "},
         {"l.tar", spec_.layers[0]},
         {"manifest.json", listing(config_name_, "\"l.tar\"")}});
  EXPECT_EQ(read_error().code(), ErrorCode::Corrupt);
}

TEST_F(HostileArchive, LayerOfAnotherDiffIdIsCorrupt) {
  write({{config_name_, config_},
         {"l.tar", testing::tar_of({{"evil", "evil"}})},
         {"manifest.json", listing(config_name_, "\"l.tar\"")}});
  EXPECT_EQ(read_error().code(), ErrorCode::Corrupt);
}

TEST_F(HostileArchive, LayersAndDiffIdsHaveToBeAsMany) {
  write({{config_name_, config_},
         {"l.tar", spec_.layers[0]},
         {"manifest.json", listing(config_name_, "\"l.tar\",\"l.tar\"")}});
  EXPECT_EQ(read_error().code(), ErrorCode::Corrupt);
}

TEST_F(HostileArchive, CutAndForeignFilesAreCorrupt) {
  write({{config_name_, config_}, {"l.tar", spec_.layers[0]}, {"manifest.json", listing(config_name_, "\"l.tar\"")}});
  const auto good = dir_.read("a.tar");
  for (const std::size_t length : {std::size_t{100}, std::size_t{700}, good.size() / 2}) {
    dir_.write("a.tar", good.substr(0, length));
    const auto code = read_error().code();
    EXPECT_TRUE(code == ErrorCode::Corrupt || code == ErrorCode::NotFound) << length;
  }
  dir_.write("a.tar", std::string(4096, 'x'));
  EXPECT_EQ(read_error().code(), ErrorCode::Corrupt);
  for (const std::string bad : {"{}", "[{}]", "[", "[{\"Config\":1}]", "[{\"Config\":\"a\",\"Config\":\"b\"}]"}) {
    write({{"manifest.json", bad}});
    EXPECT_EQ(read_error().code(), ErrorCode::Corrupt) << bad;
  }
}

}  // namespace
}  // namespace proa::transport
