// What collection takes and what it must leave.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/layout.h"
#include "tests/unit/store/store_fixture.h"

namespace proa::store {
namespace {

class GcTest : public StoreTest {
 protected:
  std::size_t layer_count() const { return files_in(layout::kLayers).size(); }
  std::size_t blob_count() const { return files_in(layout::kBlobs + "/sha256").size(); }
};

TEST_F(GcTest, TakesWhatNoNameNeedsAndKeepsSharedLayers) {
  Store store = open_store();
  const TestImage one = small_image("a");
  TestImage two = one;
  two.layers.push_back({{{"more", "data"}}});
  put(store, one, {"one"});
  put(store, two, {"two"});
  EXPECT_EQ(layer_count(), 3u);
  remove_image(store, store.get("two"), false);
  EXPECT_EQ(layer_count(), 3u) << "removal is the record first, the data after";
  GcReport report = collect(store);
  EXPECT_EQ(report.layers, 1u);
  EXPECT_EQ(report.blobs, 3u);  // manifest, config, one layer
  EXPECT_GT(report.bytes, 0u);
  expect_whole(store, one, "one");
  remove_image(store, store.get("one"), false);
  collect(store);
  expect_clean(store);
}

TEST_F(GcTest, DanglingImagesStay) {
  Store store = open_store();
  put(store, small_image("a"), {"app"});
  put(store, small_image("b"), {"app"});
  EXPECT_EQ(collect(store).layers, 0u);
  EXPECT_EQ(store.list().size(), 2u);
}

TEST_F(GcTest, ALiveLeaseHoldsARemovedImageAndADeadOneDoesNot) {
  Store store = open_store();
  const StoredImage image = put(store, small_image("a"), {"app"});
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  pid_t holder = 0;
  {
    Lease lease = Lease::create(store);
    lease.hold(image);
    // As a monitor does it: the child inherits the descriptor, the parent goes away.
    holder = ::fork();
    if (holder == 0) {
      lease.take_over();
      char byte;
      [[maybe_unused]] ssize_t got = ::read(go[0], &byte, 1);
      ::_exit(0);
    }
    ASSERT_GT(holder, 0);
    lease.leave_behind();
  }
  remove_image(store, image, true);
  EXPECT_EQ(collect(store).layers, 0u);
  EXPECT_EQ(layer_count(), 2u);
  EXPECT_EQ(store.overlay_lowers(image).size(), 2u);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_EQ(collect(store).layers, 2u);
  expect_clean(store);
  ::close(go[0]);
  ::close(go[1]);
}

TEST_F(GcTest, ALeaseOnARemovedImageFails) {
  Store store = open_store();
  const StoredImage image = put(store, small_image("a"), {"app"});
  remove_image(store, image, false);
  collect(store);
  Lease lease = Lease::create(store);
  EXPECT_THROW(lease.hold(image), Error);
}

TEST_F(GcTest, AContainerKeepsItsImage) {
  Store store = open_store();
  const StoredImage image = put(store, small_image("a"), {"app"});
  add_use(store, "0123456789abcdef", image);
  EXPECT_EQ(uses_of(store, image), std::vector<std::string>{"0123456789abcdef"});
  try {
    remove_image(store, image, false);
    ADD_FAILURE() << "removed although in use";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InUse);
  }
  remove_image(store, image, true);
  EXPECT_EQ(collect(store).layers, 0u);
  EXPECT_EQ(store.overlay_lowers(image).size(), 2u);
  remove_use(store, "0123456789abcdef");
  remove_use(store, "0123456789abcdef");
  EXPECT_EQ(collect(store).layers, 2u);
  EXPECT_THROW(add_use(store, "../escape", image), Error);
}

TEST_F(GcTest, ARunningTransactionKeepsWhatItWasToldIsThere) {
  Store store = open_store();
  const TestImage image = small_image("a");
  put(store, image, {"app"});
  {
    Transaction transaction = Transaction::begin(store, "single");
    EXPECT_TRUE(transaction.has_layer(image.chain_ids()[1]));
    EXPECT_TRUE(transaction.has_blob(io::digest_of(image.config())));
    remove_image(store, store.get("app"), false);
    EXPECT_EQ(collect(store).layers, 0u);
    EXPECT_TRUE(store.blob_size(io::digest_of(image.config())).has_value());
  }
  expect_clean(store);
}

TEST_F(GcTest, DoesNotGuessWhatADamagedImageNeeds) {
  Store store = open_store();
  const TestImage image = small_image("a");
  put(store, image, {"app"});
  put(store, small_image("b"), {"other"});
  remove_image(store, store.get("other"), false);
  std::ofstream(root() + "/" + layout::blob_path(io::digest_of(image.manifest()))) << "x";
  GcReport report = collect(store);
  EXPECT_FALSE(report.blocked.empty());
  EXPECT_EQ(report.layers, 0u);
  EXPECT_EQ(layer_count(), 4u);
}

}  // namespace
}  // namespace proa::store
