// Every call that changes the store fails once, and the process is killed before every one of them: afterwards each
// image is absent or whole, the same operation works, and nothing is left behind. reliability: "fail the Nth call, all
// N".
#include <csignal>

#include "libcommon/base/error.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/layout.h"
#include "tests/unit/store/store_fixture.h"

namespace proa::store {
namespace {

constexpr std::uint64_t kFarMoreCalls = 2000;

struct Operation {
  std::string name;
  std::function<void(const Store&)> prepare;  // without faults
  std::function<void(const Store&)> act;
  std::function<void(const Store&)> verify;  // after a repetition without faults
};

class FaultTest : public StoreTest {
 protected:
  void start_over() { os::remove_tree(root()); }

  void expect_no_damage(const Store& store) {
    for (const Finding& finding : check(store, {.owners = "single", .content = false})) {
      EXPECT_FALSE(finding.damage()) << finding.object << ": " << finding.text;
    }
    for (const std::string name : {"base", "other"}) {
      auto image = store.find(name);
      if (!image) continue;
      const bool is_base = image->manifest.size == base_image_.manifest().size() &&
                           read_verified_blob(store, image->manifest.digest, 1 << 20) == base_image_.manifest();
      expect_whole(store, is_base ? base_image_ : other_image_, name);
    }
  }

  void recover(const Operation& operation) {
    Store store = open_store();
    expect_no_damage(store);
    // One later command that writes takes all leftovers away.
    sweep_staging(store);
    expect_clean(store);
    expect_no_damage(store);
    operation.act(store);
    operation.verify(store);
    expect_no_damage(store);
    for (const StoredImage& image : store.list()) remove_image(store, image, true);
    collect(store);
    expect_clean(store);
  }

  // Returns false when call `nth` is beyond the end of the operation.
  bool fail_at(const Operation& operation, std::uint64_t nth, int error, bool persistent) {
    SCOPED_TRACE(operation.name + ": call " + std::to_string(nth) + " fails with " + errno_text(error));
    start_over();
    if (operation.prepare) operation.prepare(open_store());
    os::Failpoint::arm(nth, error, persistent);
    try {
      operation.act(open_store());
    } catch (const Error& failure) {
      EXPECT_EQ(failure.code(), code_for_errno(error)) << failure.text();
    }
    const bool struck = os::Failpoint::calls() >= nth;
    os::Failpoint::disarm();
    recover(operation);
    return struck;
  }

  bool kill_at(const Operation& operation, std::uint64_t nth) {
    SCOPED_TRACE(operation.name + ": killed before call " + std::to_string(nth));
    start_over();
    if (operation.prepare) operation.prepare(open_store());
    const int signal = run_in_child([&] {
      os::Failpoint::arm_kill(nth);
      operation.act(open_store());
    });
    recover(operation);
    return signal == SIGKILL;
  }

  template <typename Strike>
  void for_every_call(const Strike& strike) {
    std::uint64_t nth = 1;
    while (nth < kFarMoreCalls && !HasFailure() && strike(nth)) ++nth;
    ASSERT_LT(nth, kFarMoreCalls);
    RecordProperty("calls", static_cast<int>(nth - 1));
    EXPECT_GT(nth, 5u) << "the operation hardly writes: the failpoint is not in its way";
  }

  Operation storing() {
    return {"store an image",
            {},
            [this](const Store& store) { put(store, base_image_, {"base"}); },
            [this](const Store& store) { expect_whole(store, base_image_, "base"); }};
  }

  // The second image shares a layer with the first and takes its name away.
  Operation replacing() {
    return {"replace a name",
            [this](const Store& store) {
              put(store, base_image_, {"base", "other"});
            },
            [this](const Store& store) { put(store, other_image_, {"other"}); },
            [this](const Store& store) {
              expect_whole(store, base_image_, "base");
              expect_whole(store, other_image_, "other");
            }};
  }

  Operation removing() {
    return {"remove an image",
            [this](const Store& store) {
              put(store, base_image_, {"base"});
              put(store, other_image_, {"other"});
            },
            [](const Store& store) {
              if (auto image = store.find("base")) remove_image(store, *image, false);
              collect(store);
            },
            [this](const Store& store) {
              EXPECT_FALSE(store.find("base").has_value());
              expect_whole(store, other_image_, "other");
            }};
  }

  const TestImage base_image_ = small_image("base");
  const TestImage other_image_ = [] {
    TestImage image = small_image("base", 1);
    image.layers.push_back({{{"added", "by other"}}});
    return image;
  }();
};

TEST_F(FaultTest, EveryCallOfStoringFailsOnce) {
  for (int error : {ENOSPC, EIO, EMFILE}) {
    for_every_call([&](std::uint64_t nth) { return fail_at(storing(), nth, error, false); });
  }
}

TEST_F(FaultTest, EveryCallFromSomeMomentOnFails) {
  for_every_call([&](std::uint64_t nth) { return fail_at(storing(), nth, ENOSPC, true); });
}

TEST_F(FaultTest, EveryCallOfReplacingANameFails) {
  for_every_call([&](std::uint64_t nth) { return fail_at(replacing(), nth, EIO, false); });
}

TEST_F(FaultTest, EveryCallOfRemovingFails) {
  for_every_call([&](std::uint64_t nth) { return fail_at(removing(), nth, EIO, false); });
}

TEST_F(FaultTest, KilledBeforeEveryCallOfStoring) {
  for_every_call([&](std::uint64_t nth) { return kill_at(storing(), nth); });
}

TEST_F(FaultTest, KilledBeforeEveryCallOfReplacing) {
  for_every_call([&](std::uint64_t nth) { return kill_at(replacing(), nth); });
}

TEST_F(FaultTest, KilledBeforeEveryCallOfRemoving) {
  for_every_call([&](std::uint64_t nth) { return kill_at(removing(), nth); });
}

// The first write of the new index meets a full disk, as on a disk without any room: the spare file gives it.
TEST_F(FaultTest, RemovalWorksOnAFullDisk) {
  Store store = open_store();
  StoredImage image = put(store, base_image_, {"base"});
  // Calls: mkdir of the announcement, unlink and create of the new index, then its write.
  os::Failpoint::arm(4, ENOSPC);
  remove_image(store, image, false);
  os::Failpoint::disarm();
  EXPECT_FALSE(store.find("base").has_value());
  EXPECT_EQ(os::stat("spare", store.fd()).st_size, static_cast<off_t>(layout::kSpareSize));
  collect(store);
  expect_clean(store);
}

TEST_F(FaultTest, AFailedTransactionGivesItsSpaceBackAtOnce) {
  Store store = open_store();
  {
    Transaction transaction = Transaction::begin(store, "single");
    transaction.put_blob("some bytes");
    LayerWriter layer = transaction.begin_layer();
    unpack(base_image_.layers[0], layer.diff());
    layer.commit({base_image_.diff_ids()[0]}, std::nullopt);
    transaction.make_scratch_dir("upper");
  }
  expect_clean(store);
}

}  // namespace
}  // namespace proa::store
