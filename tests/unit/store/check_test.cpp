// Check finds every kind of damage and nothing else; repair keeps what is sound. Layers here are real tars.
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "libcommon/archive/archive_writer.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/layout.h"
#include "tests/unit/store/store_fixture.h"

namespace proa::store {
namespace {

using Kind = Finding::Kind;
const CheckOptions kFull{.owners = "single", .content = true};
const CheckOptions kAll{.owners = "full", .content = true};
const CheckOptions kQuick{.owners = "single", .content = false};

std::string tar_of(const std::string& seed) {
  io::StringSink out;
  archive::ArchiveWriter writer(out);
  writer.add_directory("bin");
  writer.add_file("bin/tool", "program of " + seed);
  writer.add_file("bin/second", std::string(100000, 's'));
  writer.add_symlink("bin/link", "tool");
  writer.add_directory("etc");
  writer.add_file("etc/.wh.gone", "");
  writer.finish();
  return out.text();
}

class CheckTest : public StoreTest {
 protected:
  CheckTest() : store_(open_store()) {
    put_image({"base", "middle"}, "one");
    put_image({"base", "other"}, "two");
  }

  // Two layers, unpacked from tars as a pull does it.
  void put_image(const std::vector<std::string>& seeds, const std::string& name, const std::string& owners = "single") {
    Transaction transaction = Transaction::begin(store_, owners);
    TestImage image;
    std::vector<oci::DiffId> stack;
    std::string layers, ids;
    for (const std::string& seed : seeds) {
      const std::string tar = tar_of(seed);
      const oci::Digest digest = transaction.put_blob(tar);
      stack.emplace_back(digest);
      LayerWriter layer = transaction.begin_layer();
      io::MemorySource source(tar);
      archive::apply_layer(source, layer.diff(),
                           {.mode = os::IdMode::Single, .whiteouts = archive::WhiteoutStyle::OverlayUser});
      chains_[name] = layer.commit(stack, digest).digest().str();
      blobs_[name] = digest.str();
      layers += (layers.empty() ? "" : ",") + descriptor(oci::kOciLayer, digest, tar.size());
      ids += (ids.empty() ? "\"" : ",\"") + digest.str() + "\"";
    }
    const std::string config =
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + ids + "]}}";
    const oci::Digest config_digest = transaction.put_blob(config);
    const std::string manifest = "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(oci::kOciManifest) +
                                 "\",\"config\":" + descriptor(oci::kOciConfig, config_digest, config.size()) +
                                 ",\"layers\":[" + layers + "]}";
    transaction.put_image(manifest, oci::kOciManifest,
                          {.names = {oci::Reference::parse_normalized(name)}, .repo_digests = {}, .cache_key = {}});
    transaction.commit();
  }

  static std::string descriptor(std::string_view type, const oci::Digest& digest, std::size_t size) {
    return "{\"mediaType\":\"" + std::string(type) + "\",\"digest\":\"" + digest.str() +
           "\",\"size\":" + std::to_string(size) + "}";
  }

  os::Path diff(const std::string& name) { return store_.layer_diff(oci::ChainId(oci::Digest::parse(chains_[name]))); }
  os::Path blob(const std::string& digest) { return root() + "/" + layout::blob_path(oci::Digest::parse(digest)); }

  // All findings that are damage, as kind and object.
  std::vector<std::pair<Kind, std::string>> damage(const CheckOptions& options) {
    std::vector<std::pair<Kind, std::string>> result;
    for (const Finding& finding : check(store_, options)) {
      if (finding.damage()) result.emplace_back(finding.kind, finding.object);
    }
    return result;
  }

  void expect_no_findings() {
    for (const Finding& finding : check(store_, kFull)) ADD_FAILURE() << finding.object << ": " << finding.text;
  }

  void expect_layer_damage_found_and_healed(const std::string& what, bool also_quick = true) {
    SCOPED_TRACE(what);
    const std::vector<std::pair<Kind, std::string>> expected{{Kind::BadLayer, chains_["one"]}};
    EXPECT_EQ(damage(kFull), expected);
    if (also_quick) {
      EXPECT_EQ(damage(kQuick), expected);
    }
    RepairReport report = repair(store_, kFull);
    EXPECT_EQ(report.actions, std::vector<std::string>{"layer " + chains_["one"] + ": made again"});
    expect_no_findings();
    EXPECT_EQ(os::read_file(diff("one") + "/bin/tool", 100), "program of middle");
    expect_clean(store_);
  }

  Store store_;
  std::map<std::string, std::string> chains_, blobs_;  // of the top layer, by image name
};

TEST_F(CheckTest, ASoundStoreHasNoFindings) {
  expect_no_findings();
  EXPECT_TRUE(repair(store_, kFull).actions.empty());
  expect_clean(store_);
}

TEST_F(CheckTest, EveryChangeOfALayerIsFoundAndHealed) {
  const os::Path tool = diff("one") + "/bin/tool";
  ::truncate(tool.c_str(), 3);
  expect_layer_damage_found_and_healed("cut file");
  ::unlink(tool.c_str());
  expect_layer_damage_found_and_healed("missing file");
  std::ofstream(diff("one") + "/bin/extra") << "x";
  expect_layer_damage_found_and_healed("added file");
  ::chmod(tool.c_str(), 04755);
  expect_layer_damage_found_and_healed("changed mode");
  ::unlink((diff("one") + "/bin/link").c_str());
  ::symlink("/etc/passwd", (diff("one") + "/bin/link").c_str());
  expect_layer_damage_found_and_healed("changed link");
  ::unlink((diff("one") + "/etc/gone").c_str());
  expect_layer_damage_found_and_healed("missing whiteout");
  std::ofstream(root() + "/" + layout::record_path(oci::ChainId(oci::Digest::parse(chains_["one"]))))
      << "{\"version\":1}";
  expect_layer_damage_found_and_healed("damaged record");
}

TEST_F(CheckTest, AFlippedByteWithTheOldTimeIsFoundByContent) {
  const os::Path tool = diff("one") + "/bin/tool";
  struct stat before = os::stat(tool);
  std::fstream(tool, std::ios::in | std::ios::out) << "P";
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, tool.c_str(), times, 0), 0);
  EXPECT_TRUE(damage(kQuick).empty()) << "a fingerprint cannot see it";
  expect_layer_damage_found_and_healed("flipped byte", false);
}

TEST_F(CheckTest, ChangedAttributesAreFoundByContent) {
  const os::Path tool = diff("one") + "/bin/tool";
  if (::setxattr(tool.c_str(), "user.evil", "1", 1, 0) != 0) GTEST_SKIP() << "no user attributes on this file system";
  expect_layer_damage_found_and_healed("added attribute", false);
}

TEST_F(CheckTest, AFlippedByteInAnyBlobIsFound) {
  for (const std::string& hex : files_in(layout::kBlobs + "/sha256")) {
    SCOPED_TRACE(hex);
    const os::Path path = root() + "/" + layout::kBlobs + "/sha256/" + hex;
    const std::string content = os::read_file(path, 1 << 22);
    std::string flipped = content;
    flipped[flipped.size() / 2] ^= 1;
    std::ofstream(path) << flipped;
    auto found = damage(kQuick);
    EXPECT_TRUE(std::find(found.begin(), found.end(), std::pair(Kind::BadBlob, "sha256:" + hex)) != found.end());
    EXPECT_THROW(
        {
          auto source = open_blob(store_, oci::Digest::parse("sha256:" + hex));
          io::NullSink sink;
          io::copy(*source, sink);
        },
        Error);
    std::ofstream(path) << content;
  }
  EXPECT_TRUE(damage(kFull).empty());
}

TEST_F(CheckTest, AnImageWithoutALayersBlobStillRunsAndHealsByAPull) {
  std::ofstream(blob(blobs_["one"])) << "garbage";
  RepairReport report = repair(store_, kFull);
  EXPECT_EQ(report.actions, std::vector<std::string>{"blob " + blobs_["one"] + ": removed"});
  EXPECT_EQ(store_.overlay_lowers(store_.get("one")).size(), 2u);
  EXPECT_EQ(damage(kFull), (std::vector<std::pair<Kind, std::string>>{{Kind::MissingBlob, blobs_["one"]}}));
  put_image({"base", "middle"}, "one");
  expect_no_findings();
}

TEST_F(CheckTest, AnImageThatCannotRunLosesItsNameAndNothingElseIsLost) {
  std::ofstream(blob(blobs_["one"])) << "garbage";
  std::ofstream(diff("one") + "/bin/tool") << "garbage";
  repair(store_, kFull);
  EXPECT_FALSE(store_.find("one").has_value());
  EXPECT_TRUE(store_.find("two").has_value());
  expect_no_findings();
  put_image({"base", "middle"}, "one");
  expect_no_findings();
}

TEST_F(CheckTest, ALostIndexComesBackWithoutNames) {
  const auto before = store_.get("one").id;
  for (const char* text : {"", "{\"manifests\":3}"}) {
    std::ofstream(root() + "/images/index.json") << text;
    EXPECT_EQ(damage(kQuick).at(0).first, Kind::BadIndex);
    repair(store_, kQuick);
    EXPECT_EQ(store_.list().size(), 2u);
    EXPECT_TRUE(store_.find_id(before).has_value());
    expect_no_findings();
  }
}

TEST_F(CheckTest, OrphansLeftoversAndStrangersAreTold) {
  remove_image(store_, store_.get("one"), true);
  std::ofstream(root() + "/layers/README") << "hello";
  std::ofstream(root() + "/images/blobs/sha256/nothex") << "hello";
  add_use(store_, "c1", store_.get("two"));
  std::map<Kind, int> count;
  for (const Finding& finding : check(store_, kFull)) ++count[finding.kind];
  EXPECT_EQ(count, (std::map<Kind, int>{{Kind::UnknownFile, 2}, {Kind::Unreferenced, 4}, {Kind::Leftover, 1}}));
  remove_image(store_, store_.get("two"), true);
  collect(store_);
  ::unlink(blob(blobs_["two"]).c_str());
  const auto found = damage(kQuick);
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const auto& item) { return item.first == Kind::MissingBlob; }))
      << "a container needs it";
}

// Layers from the time when one id was mapped, for a user who has more now. (The applying is not tested here: both
// words make the same files for root's.)
class OutdatedTest : public CheckTest {
 protected:
  std::string owners_of(const std::string& name) {
    return store_.layer(oci::ChainId(oci::Digest::parse(chains_[name]))).value().owners;
  }
};

TEST_F(OutdatedTest, LayersAreNamedAndAreNoDamage) {
  std::map<Kind, int> count;
  for (const Finding& finding : check(store_, kAll)) ++count[finding.kind];
  EXPECT_EQ(count, (std::map<Kind, int>{{Kind::OtherIds, 3}}));
  EXPECT_TRUE(damage(kAll).empty());
}

TEST_F(OutdatedTest, LayersCountAsAbsentForMakersAndServeUsers) {
  const oci::ChainId chain(oci::Digest::parse(chains_["one"]));
  Transaction transaction = Transaction::begin(store_, "full");
  EXPECT_FALSE(transaction.has_layer(chain));
  EXPECT_EQ(transaction.overlay_lowers(chain).size(), 2u);
  EXPECT_TRUE(Transaction::begin(store_, "single").has_layer(chain));
}

TEST_F(OutdatedTest, WhatIsMadeWithAllIdsTakesTheirPlace) {
  put_image({"base", "middle"}, "one", "full");
  EXPECT_EQ(owners_of("one"), "full");
  put_image({"base", "middle"}, "one", "single");
  EXPECT_EQ(owners_of("one"), "full") << "never the other way round";
  expect_clean(store_);
}

TEST_F(OutdatedTest, WithoutTheirBlobTheyCannotBeMadeAgain) {
  EXPECT_TRUE(has_outdated_layers(store_, store_.get("two"), "full"));
  EXPECT_FALSE(has_outdated_layers(store_, store_.get("two"), "single"));
  remove_image(store_, store_.get("one"), false);
  for (const std::string& hex : files_in(layout::kBlobs + "/sha256")) ::unlink(blob("sha256:" + hex).c_str());
  EXPECT_FALSE(has_outdated_layers(store_, store_.get("two"), "full"));
}

TEST_F(CheckTest, ARepairKilledAtAnyCallCanBeRepeated) {
  std::uint64_t nth = 1;
  int signal = SIGKILL;
  for (; signal == SIGKILL && nth < 500; ++nth) {
    SCOPED_TRACE("killed before call " + std::to_string(nth));
    ::truncate((diff("one") + "/bin/tool").c_str(), 3);
    std::ofstream(blob(blobs_["two"])) << "garbage";
    signal = run_in_child([&] {
      os::Failpoint::arm_kill(nth);
      repair(store_, kFull);
    });
    repair(store_, kFull);
    EXPECT_EQ(damage(kFull), (std::vector<std::pair<Kind, std::string>>{{Kind::MissingBlob, blobs_["two"]}}));
    put_image({"base", "other"}, "two");
    expect_no_findings();
    expect_clean(store_);
    if (HasFailure()) break;
  }
  EXPECT_EQ(signal, 0);
  EXPECT_GT(nth, 10u);
}

}  // namespace
}  // namespace proa::store
