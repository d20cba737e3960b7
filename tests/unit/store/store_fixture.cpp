#include "tests/unit/store/store_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/tree.h"

namespace proa::store {
namespace {

oci::Digest hash(std::string_view text) { return io::digest_of(text); }

}  // namespace

StoreTest::StoreTest() {
  // In memory where possible: syncfs waits for everything that others have written to the same disk.
  std::string pattern = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/proa-store-XXXXXX" : "/tmp/proa-store-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw system_error("mkdtemp");
  base_ = pattern;
}

StoreTest::~StoreTest() {
  os::Failpoint::disarm();
  os::remove_tree(base_);
}

std::vector<std::string> StoreTest::files_in(const os::Path& folder) const {
  return os::list_dir(os::join(root(), folder));
}

void StoreTest::expect_whole(const Store& store, const TestImage& image, const std::string& name) const {
  auto stored = store.find(name);
  ASSERT_TRUE(stored.has_value()) << name;
  EXPECT_EQ(read_verified_blob(store, stored->manifest.digest, 1 << 20), image.manifest());
  EXPECT_EQ(read_verified_blob(store, stored->id.digest(), 1 << 20), image.config());
  for (const TestLayer& layer : image.layers) {
    EXPECT_EQ(read_verified_blob(store, hash(TestImage::blob(layer)), 1 << 20), TestImage::blob(layer));
  }
  std::vector<LayerRecord> records = store.layers(*stored);
  ASSERT_EQ(records.size(), image.layers.size());
  for (const LayerRecord& record : records) {
    os::Dir diff = os::Dir::open(store.layer_diff(record.chain));
    EXPECT_EQ(summarize_tree(diff.fd(), diff.name()).fingerprint, record.fingerprint);
  }
}

void StoreTest::expect_clean(const Store& store) const {
  EXPECT_EQ(files_in(layout::kStaging), std::vector<std::string>{});
  EXPECT_EQ(files_in(layout::kLeases), std::vector<std::string>{});
  EXPECT_EQ(files_in(layout::kTrash), std::vector<std::string>{});
  EXPECT_EQ(files_in(layout::kImages), (std::vector<std::string>{"blobs", "index.json", "oci-layout"}));
  if (!store.list().empty()) return;
  EXPECT_EQ(files_in(layout::kBlobs + "/sha256"), std::vector<std::string>{});
  EXPECT_EQ(files_in(layout::kLayers), std::vector<std::string>{});
}

int run_in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw system_error("fork");
  if (pid == 0) {
    try {
      body();
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) throw system_error("waitpid");
  if (WIFSIGNALED(status)) return WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the child failed";
  return 0;
}

}  // namespace proa::store
