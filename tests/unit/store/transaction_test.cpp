// Blobs and layers on their way in: verification, reuse, take-over from killed predecessors, and several at once.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

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

class TransactionTest : public StoreTest {
 protected:
  template <typename Action>
  void expect_error(ErrorCode code, const Action& action) {
    try {
      action();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.text();
    }
  }
};

TEST_F(TransactionTest, BlobsOfWrongDigestOrSizeAreRefusedAndLeaveNothing) {
  Store store = open_store();
  Transaction transaction = Transaction::begin(store, "single");
  const oci::Digest digest = io::digest_of("right");
  auto write = [&](std::optional<std::uint64_t> size, std::string_view text) {
    BlobWriter writer = transaction.begin_blob(digest, size);
    if (writer.offset() > 0) writer.restart();
    writer.write(io::as_bytes(text));
    writer.commit();
  };
  expect_error(ErrorCode::Corrupt, [&] { write(5, "wrong"); });
  expect_error(ErrorCode::Corrupt, [&] { write(5, "righ"); });
  expect_error(ErrorCode::Corrupt, [&] { write(5, "right and more"); });
  expect_error(ErrorCode::Corrupt, [&] { write(6, "right"); });
  EXPECT_FALSE(transaction.has_blob(digest));
  write(5, "right");
  EXPECT_TRUE(transaction.has_blob(digest, 5));
  EXPECT_FALSE(transaction.has_blob(digest, 6));
  EXPECT_FALSE(store.blob_size(digest).has_value()) << "visible before commit";
}

TEST_F(TransactionTest, ImagesThatAreNotWholeAreRefused) {
  Store store = open_store();
  const TestImage image = small_image("a", 1);
  Transaction transaction = Transaction::begin(store, "single");
  auto put_image = [&] { transaction.put_image(image.manifest(), oci::kOciManifest, {}); };
  expect_error(ErrorCode::NotFound, put_image);  // no config
  transaction.put_blob(image.config());
  expect_error(ErrorCode::NotFound, put_image);  // no layer blob
  transaction.put_blob(TestImage::blob(image.layers[0]));
  expect_error(ErrorCode::NotFound, put_image);  // not unpacked
  LayerWriter layer = transaction.begin_layer();
  unpack(image.layers[0], layer.diff());
  layer.commit(std::nullopt, image.diff_ids()[0], std::nullopt);
  EXPECT_NO_THROW(put_image());

  TestImage fewer = image;
  std::string manifest = small_image("a", 2).manifest();
  expect_error(ErrorCode::NotFound, [&] { transaction.put_image(manifest, oci::kOciManifest, {}); });
  // One layer in the config, none in the manifest.
  manifest = image.manifest();
  manifest = manifest.substr(0, manifest.find("\"layers\":[")) + "\"layers\":[]}";
  expect_error(ErrorCode::Corrupt, [&] { transaction.put_image(manifest, oci::kOciManifest, {}); });
}

TEST_F(TransactionTest, AKilledTransfersBytesAreContinued) {
  Store store = open_store();
  const std::string bytes(100000, 'b');
  const oci::Digest digest = io::digest_of(bytes);
  const int signal = run_in_child([&] {
    Transaction transaction = Transaction::begin(store, "single");
    BlobWriter writer = transaction.begin_blob(digest, bytes.size());
    writer.write(io::as_bytes(std::string_view(bytes).substr(0, 60000)));
    ::raise(SIGKILL);
  });
  ASSERT_EQ(signal, SIGKILL);
  {
    Transaction transaction = Transaction::begin(store, "single");
    BlobWriter writer = transaction.begin_blob(digest, bytes.size());
    EXPECT_EQ(writer.offset(), 60000u);
    writer.write(io::as_bytes(std::string_view(bytes).substr(60000)));
    EXPECT_EQ(writer.commit(), digest);
  }
  expect_clean(store);
}

TEST_F(TransactionTest, BytesOfAnEarlierBootAreNotTrusted) {
  Store store = open_store();
  const std::string bytes(100000, 'b');
  const oci::Digest digest = io::digest_of(bytes);
  run_in_child([&] {
    Transaction transaction = Transaction::begin(store, "single");
    transaction.begin_blob(digest, bytes.size()).write(io::as_bytes(bytes));
    ::raise(SIGKILL);
  });
  const std::string id = files_in(layout::kLeases).at(0);
  std::ofstream(root() + "/leases/" + id) << "boot 00000000-0000-0000-0000-000000000000\n";
  Transaction transaction = Transaction::begin(store, "single");
  EXPECT_EQ(transaction.begin_blob(digest, bytes.size()).offset(), 0u);
}

TEST_F(TransactionTest, AKilledPullsFinishedLayersAreTakenOver) {
  Store store = open_store();
  const TestImage image = small_image("a");
  run_in_child([&] {
    Transaction transaction = Transaction::begin(store, "single");
    LayerWriter layer = transaction.begin_layer();
    unpack(image.layers[0], layer.diff());
    layer.commit({image.diff_ids()[0]}, std::nullopt);
    transaction.put_blob(std::string(2000, 'x'));
    LayerWriter unfinished = transaction.begin_layer();
    unpack(image.layers[1], unfinished.diff());
    ::raise(SIGKILL);
  });
  {
    Transaction transaction = Transaction::begin(store, "single");
    EXPECT_TRUE(transaction.has_layer(image.chain_ids()[0]));
    EXPECT_FALSE(transaction.has_layer(image.chain_ids()[1]));
    EXPECT_TRUE(transaction.has_blob(io::digest_of(std::string(2000, 'x'))));
  }
  expect_clean(store);
}

TEST_F(TransactionTest, AFailedPullKeepsItsBytesOnlyWhenAsked) {
  Store store = open_store();
  for (bool keep : {false, true}) {
    {
      Transaction transaction = Transaction::begin(store, "single");
      transaction.put_blob("complete");
      if (keep) transaction.keep_for_resume();
    }
    Transaction transaction = Transaction::begin(store, "single");
    EXPECT_EQ(transaction.has_blob(io::digest_of("complete")), keep);
  }
  expect_clean(store);
}

TEST_F(TransactionTest, StoringAgainChangesNothing) {
  Store store = open_store();
  const TestImage image = small_image("a");
  put(store, image, {"a"});
  const auto inode = os::stat(root() + "/images/index.json").st_ino;
  put(store, image, {"a"});
  EXPECT_EQ(os::stat(root() + "/images/index.json").st_ino, inode) << "the index was written though nothing changed";
  expect_whole(store, image, "a");
  expect_clean(store);
}

TEST_F(TransactionTest, DamagedObjectsAreReplacedByTheNextPull) {
  Store store = open_store();
  const TestImage image = small_image("a");
  put(store, image, {"a"});
  std::ofstream(root() + "/" + layout::blob_path(io::digest_of(image.config()))) << "flipped";
  std::ofstream(root() + "/" + layout::blob_path(io::digest_of(TestImage::blob(image.layers[0])))) << "cut";
  std::ofstream(root() + "/" + layout::record_path(image.chain_ids()[1])) << "{";
  put(store, image, {"a"});
  expect_whole(store, image, "a");
  expect_clean(store);
}

TEST_F(TransactionTest, LayersOfAnEarlierBootAreLookedAtBeforeReuse) {
  Store store = open_store();
  const TestImage image = small_image("a");
  put(store, image, {"a"});
  // As a disk that lost a file leaves it: an empty file.
  const os::Path file = store.layer_diff(image.chain_ids()[0]) + "/bin/tool0";
  ASSERT_EQ(::truncate(file.c_str(), 0), 0);
  put(store, image, {"a"});
  EXPECT_EQ(os::read_file(file, 100), "") << "the same boot: not looked at";
  const os::Path record = root() + "/" + layout::record_path(image.chain_ids()[0]);
  std::string text = os::read_file(record, 1 << 20);
  const auto at = text.find("\"bootId\":\"") + 10;
  text.replace(at, 8, "01234567");
  std::ofstream(record) << text;
  put(store, image, {"a"});
  EXPECT_EQ(os::read_file(file, 100), "program of a0");
  expect_clean(store);
}

TEST_F(TransactionTest, AdoptsAnUpperDirectory) {
  Store store = open_store();
  const TestImage image = small_image("a");
  Transaction transaction = Transaction::begin(store, "single");
  const os::Path upper = transaction.make_scratch_dir("upper");
  unpack(image.layers[0], os::Dir::open(upper));
  const oci::Digest blob = transaction.put_blob(TestImage::blob(image.layers[0]));
  const oci::ChainId chain = transaction.adopt_layer(upper, std::nullopt, image.diff_ids()[0], blob);
  EXPECT_EQ(chain, image.chain_ids()[0]);
  EXPECT_FALSE(os::exists(upper));
  EXPECT_TRUE(os::exists(transaction.overlay_lowers(chain).at(0) + "/bin/tool0"));
  LayerWriter second = transaction.begin_layer();
  unpack(image.layers[1], second.diff());
  EXPECT_EQ(second.commit(chain, image.diff_ids()[1], std::nullopt), image.chain_ids()[1]);
  transaction.commit();
  EXPECT_TRUE(store.layer(chain)->adopted);
  EXPECT_EQ(store.overlay_lowers(image.chain_ids()[1]).size(), 2u);
}

TEST_F(TransactionTest, ASecondPullOfTheSameLayersWaitsAndFindsThemDone) {
  Store store = open_store();
  const TestImage image = small_image("a");
  std::atomic<bool> claimed = false;
  std::thread second;
  {
    Transaction first = Transaction::begin(store, "single");
    first.claim_layers(image.chain_ids());
    second = std::thread([&] {
      Transaction transaction = Transaction::begin(store, "single");
      std::vector<oci::ChainId> reversed(image.chain_ids());
      std::reverse(reversed.begin(), reversed.end());
      transaction.claim_layers(reversed);
      claimed = true;
      EXPECT_TRUE(transaction.has_layer(image.chain_ids()[0]));
    });
    LayerWriter layer = first.begin_layer();
    unpack(image.layers[0], layer.diff());
    layer.commit({image.diff_ids()[0]}, std::nullopt);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_FALSE(claimed);
    first.commit();
  }
  second.join();
}

// Processes that pull overlapping images, tag, remove and collect, one in five killed at a random call.
TEST_F(TransactionTest, ManyProcessesOnOneStore) {
  constexpr int kProcesses = 6, kRounds = 25;
  { open_store(); }
  const TestImage kept = small_image("kept");
  Store store = open_store();
  put(store, kept, {"kept"});
  std::vector<std::thread> drivers;
  std::atomic<int> killed = 0;
  for (int p = 0; p < kProcesses; ++p) {
    // Each driver forks one child at a time: a process of its own for each round.
    drivers.emplace_back([&, p] {
      unsigned seed = static_cast<unsigned>(p) * 7919 + 1;
      for (int round = 0; round < kRounds; ++round) {
        const unsigned choice = static_cast<unsigned>(rand_r(&seed)),
                       nth = static_cast<unsigned>(rand_r(&seed)) % 40 + 1;
        killed += run_in_child([&] {
                    Store mine = open_store();
                    if (choice % 5 == 0) os::Failpoint::arm_kill(nth);
                    const TestImage image = small_image("shared" + std::to_string(choice % 3));
                    const std::string name = "img" + std::to_string(choice % 3);
                    put(mine, image, {name});
                    if (choice % 7 < 3) {
                      if (auto found = mine.find(name)) remove_image(mine, *found, false);
                      collect(mine);
                    }
                  }) == SIGKILL;
      }
    });
  }
  for (std::thread& driver : drivers) driver.join();
  EXPECT_GT(killed, 0);
  collect(store);
  expect_clean(store);
  expect_whole(store, kept, "kept");
  for (const Finding& finding : check(store, {.owners = "single", .content = false})) {
    ADD_FAILURE() << finding.object << ": " << finding.text;
  }
}

}  // namespace
}  // namespace proa::store
