// Real full disks: a small tmpfs, without room or without inodes, in a user namespace.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "libcommon/archive/archive_writer.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/process.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "tests/support/store_images.h"

namespace proa::store {
namespace {

TestImage image_of_size(const std::string& seed, std::size_t files, std::size_t bytes) {
  TestImage image = small_image(seed, 1);
  TestLayer layer;
  for (std::size_t i = 0; i < files; ++i)
    layer.files.emplace_back("data/" + seed + std::to_string(i), std::string(bytes / files, 'd'));
  image.layers.push_back(std::move(layer));
  return image;
}

struct Usage {
  std::uint64_t blocks, files;
  bool operator==(const Usage&) const = default;
};

Usage usage_of(const os::Path& path) {
  struct statvfs info {};
  EXPECT_EQ(::statvfs(path.c_str(), &info), 0);
  return {info.f_blocks - info.f_bfree, info.f_files - info.f_ffree};
}

void expect_no_damage(const Store& store) {
  for (const Finding& finding : check(store, {.owners = "single", .content = false})) {
    ADD_FAILURE() << finding.object << ": " << finding.text;
  }
}

std::uint64_t room_of(const os::Path& mount) {
  struct statvfs info {};
  EXPECT_EQ(::statvfs(mount.c_str(), &info), 0);
  return info.f_bavail * info.f_bsize;
}

// A layer of one file, with its blob.
void put_layer(const Store& store, const std::string& content) {
  io::StringSink tar;
  archive::ArchiveWriter writer(tar);
  writer.add_file("file", content);
  writer.finish();
  Transaction transaction = Transaction::begin(store, "single");
  const oci::Digest digest = transaction.put_blob(tar.text());
  LayerWriter layer = transaction.begin_layer();
  io::MemorySource source(tar.text());
  archive::apply_layer(source, layer.diff(),
                       {.mode = os::IdMode::Single, .whiteouts = archive::WhiteoutStyle::OverlayUser});
  layer.commit({oci::DiffId(digest)}, digest);
  transaction.commit();
}

// A sound store on a disk where no layer can be made again: nothing is damaged, and nothing is said to be compared.
int check_without_room(const os::Path& mount) {
  const Store store = Store::open(mount + "/store", Store::Create::Yes);
  put_layer(store, std::string(1 << 20, 'd'));
  std::ofstream(mount + "/fill") << std::string(room_of(mount) - 65536, 'f');
  std::size_t uncompared = 0;
  for (const Finding& finding : check(store, {.owners = "single", .content = true})) {
    EXPECT_FALSE(finding.damage()) << finding.object << ": " << finding.text;
    if (finding.kind == Finding::Kind::Uncompared) ++uncompared;
  }
  EXPECT_GT(uncompared, 0u);
  EXPECT_TRUE(os::list_dir(store.root() + "/staging").empty());
  return testing::Test::HasFailure() ? 1 : 0;
}

// Images of growing size, until one does not fit.
int fill_up(const os::Path& mount, std::size_t files, std::size_t bytes) {
  const Store store = Store::open(mount + "/store", Store::Create::Yes);
  int failures = 0;
  for (std::size_t step = 1; step <= 12; ++step) {
    const std::string name = "image" + std::to_string(step);
    const TestImage image = image_of_size(name, files * step, bytes * step);
    const Usage before = usage_of(mount);
    try {
      put(store, image, {name});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::NoSpace) << error.text();
      ++failures;
      // All given back at once, but a page for the growth of a directory.
      const Usage after = usage_of(mount);
      EXPECT_LE(after.blocks, before.blocks + 2) << name;
      EXPECT_LE(after.files, before.files) << name;
      EXPECT_FALSE(store.find(name).has_value());
    }
    expect_no_damage(store);
  }
  EXPECT_GT(failures, 0) << "everything had room: the test is too small";
  EXPECT_LT(failures, 12) << "nothing had room: the test is too big";
  // Not one byte is left for others.
  for (int fill = 0; fill < 100; ++fill) {
    const os::Path path = mount + "/fill" + std::to_string(fill);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) break;
    const std::string block(65536, 'f');
    while (::write(fd, block.data(), block.size()) > 0) {
    }
    ::close(fd);
  }
  for (const StoredImage& image : store.list()) remove_image(store, image, false);
  collect(store);
  EXPECT_TRUE(store.list().empty());
  EXPECT_TRUE(os::list_dir(store.root() + "/layers").empty());
  EXPECT_TRUE(os::list_dir(store.root() + "/trash").empty());
  return testing::Test::HasFailure() ? 1 : 0;
}

void on_small_disk(const char* options, const std::function<int(const os::Path&)>& body) {
  std::string mount = "/tmp/proa-full-XXXXXX";
  ASSERT_NE(::mkdtemp(mount.data()), nullptr);
  os::Child child = os::fork_process([&]() -> int {
    try {
      os::enter_user_namespace(os::plan_user_namespace());
      if (::mount("small", mount.c_str(), "tmpfs", 0, options) != 0) return 77;
      return body(mount);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 99;
    }
  });
  const int code = child.wait().to_exit_code();
  os::remove_tree(mount);
  if (code == 77) GTEST_SKIP() << "no mounts in user namespaces here";
  EXPECT_EQ(code, 0);
}

TEST(FullDiskTest, WithoutRoom) {
  on_small_disk("size=3m", [](const os::Path& mount) { return fill_up(mount, 5, 100000); });
}
TEST(FullDiskTest, WithoutInodes) {
  on_small_disk("size=64m,nr_inodes=250", [](const os::Path& mount) { return fill_up(mount, 10, 1000); });
}
TEST(FullDiskTest, CheckWithoutRoomFindsNoDamage) { on_small_disk("size=8m", check_without_room); }

TEST(FullDiskTest, FewDescriptors) {
  std::string base = "/tmp/proa-few-XXXXXX";
  ASSERT_NE(::mkdtemp(base.data()), nullptr);
  os::Child child = os::fork_process([&]() -> int {
    const rlimit few{24, 24};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
    try {
      const Store store = Store::open(base + "/store", Store::Create::Yes);
      put(store, small_image("a", 60), {"deep"});
      expect_no_damage(store);
      return store.overlay_lowers(store.get("deep")).size() == 60 ? 0 : 1;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 99;
    }
  });
  EXPECT_EQ(child.wait().to_exit_code(), 0);
  os::remove_tree(base);
}

}  // namespace
}  // namespace proa::store
