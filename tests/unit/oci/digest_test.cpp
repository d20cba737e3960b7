#include "libcommon/oci/digest.h"

#include <gtest/gtest.h>

#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/oci/image.h"

namespace proa::oci {
namespace {

const std::string kHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, KeepsItsParts) {
  Digest digest = Digest::parse("sha256:" + kHex);
  EXPECT_EQ(digest.algorithm(), DigestAlgorithm::Sha256);
  EXPECT_EQ(digest.algorithm_name(), "sha256");
  EXPECT_EQ(digest.hex(), kHex);
  EXPECT_EQ(digest.short_id(), "e3b0c44298fc");
  EXPECT_EQ(digest, Digest::from_hex(DigestAlgorithm::Sha256, kHex));
  EXPECT_EQ(Digest::parse("sha512:" + kHex + kHex).hex().size(), 128u);
  EXPECT_EQ(Digest::parse("sha384:" + kHex + kHex.substr(32)).algorithm(), DigestAlgorithm::Sha384);
}

// CVE-2024-3727: digests become file names and parts of URLs, so nothing but a well-formed one exists.
TEST(Digest, NothingElseIsOne) {
  std::string upper = "E" + kHex.substr(1);
  for (const std::string& text : std::vector<std::string>{
           std::string(), kHex, "sha256:" + kHex.substr(1), "sha256:" + kHex + "0", "sha256:" + upper, "SHA256:" + kHex,
           "md5:" + kHex.substr(32), "sha512:" + kHex, "sha256-" + kHex,
           "sha256:../../../../../../../../../../../../../../../../../../../../etc/x",
           "sha256:" + kHex.substr(1) + "\n", "sha256:" + kHex + "\n",
           "sha256:" + kHex.substr(1) + std::string(1, '\0'), " sha256:" + kHex.substr(1),
           "sha256:" + kHex.substr(2) + "/.", "sha256+b64:" + kHex, "sha256::" + kHex.substr(1)}) {
    EXPECT_FALSE(Digest::try_parse(text)) << text;
    EXPECT_THROW(Digest::parse(text), Error) << text;
  }
  EXPECT_THROW(Digest::from_hex(DigestAlgorithm::Sha256, "../" + kHex.substr(3)), Error);
}

TEST(ChainIds, HashPairsOfDigests) {
  // A hash that shows what it was given: the length of the text.
  auto length = [](std::string_view text) {
    EXPECT_EQ(text[71], ' ');
    EXPECT_TRUE(text.starts_with("sha256:") && text.substr(72).starts_with("sha256:")) << text;
    return Digest::from_hex(DigestAlgorithm::Sha256, std::string(61, '0') + std::to_string(text.size()));
  };
  DiffId a(Digest::parse("sha256:" + std::string(64, 'a')));
  DiffId b(Digest::parse("sha256:" + std::string(64, 'b')));
  auto chain = chain_ids({a, b, b}, length);
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0].str(), a.str());  // the first layer's chain id is its diff id
  EXPECT_EQ(chain[1].hex(), std::string(61, '0') + "143");
  EXPECT_EQ(chain[2].hex(), std::string(61, '0') + "143");
  EXPECT_TRUE(chain_ids({}, length).empty());
}

}  // namespace
}  // namespace proa::oci
