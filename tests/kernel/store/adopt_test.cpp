// A build step's upper directory becomes a layer: with a real overlay, in a user namespace. What is adopted has to be
// what the layer's own tar gives, or check would be wrong about every built image.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "libcommon/archive/archive_writer.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/process.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

std::string base_tar() {
  io::StringSink out;
  archive::ArchiveWriter writer(out);
  writer.add_directory("bin");
  writer.add_file("bin/tool", "program");
  writer.add_file("bin/gone", "deleted by the step");
  writer.add_directory("var");
  writer.add_directory("var/cache");
  writer.add_file("var/cache/old", "hidden by an opaque directory");
  writer.add_symlink("bin/link", "tool");
  writer.finish();
  return out.text();
}

class Layers {
 public:
  Layers(Transaction& transaction, os::IdMode mode) : transaction_(transaction), mode_(mode) {}

  void unpack_base() {
    const std::string tar = base_tar();
    const oci::Digest digest = add(tar);
    LayerWriter layer = transaction_.begin_layer();
    io::MemorySource source(tar);
    archive::ApplyOptions options;
    options.mode = mode_;
    archive::apply_layer(source, layer.diff(), options);
    top_ = layer.commit(stack_, digest);
  }

  // What a RUN step does, as root of the container.
  void run_step() {
    const os::Path upper = transaction_.make_scratch_dir("upper"), work = transaction_.make_scratch_dir("work");
    {
      os::Dir merged(os::mount_overlay({.lowers = transaction_.overlay_lowers(*top_), .upper = upper, .work = work}),
                     "merged");
      change(merged.fd());
    }
    io::StringSink tar;
    archive::make_layer(os::Dir::open(upper), tar);
    std::vector<oci::DiffId> below = stack_;
    const oci::Digest digest = add(tar.text());
    top_ = transaction_.adopt_layer(upper, top_, stack_.back(), digest);
  }

  void finish(const Store& store) {
    const std::string config =
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + ids_ + "]}}";
    const std::string manifest =
        "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(oci::kOciManifest) +
        "\",\"config\":" + descriptor(oci::kOciConfig, transaction_.put_blob(config), config.size()) + ",\"layers\":[" +
        descriptors_ + "]}";
    transaction_.put_image(manifest, oci::kOciManifest,
                           {.names = {oci::Reference::parse_normalized("built")}, .repo_digests = {}, .cache_key = {}});
    transaction_.commit();
    ASSERT_EQ(store.layers(store.get("built")).size(), 2u);
    EXPECT_TRUE(store.layer(*top_)->adopted);
  }

 private:
  oci::Digest add(const std::string& tar) {
    const oci::Digest digest = transaction_.put_blob(tar);
    stack_.emplace_back(digest);
    ids_ += (ids_.empty() ? "\"" : ",\"") + digest.str() + "\"";
    descriptors_ += (descriptors_.empty() ? "" : ",") + descriptor(oci::kOciLayer, digest, tar.size());
    return digest;
  }

  static std::string descriptor(std::string_view type, const oci::Digest& digest, std::size_t size) {
    return "{\"mediaType\":\"" + std::string(type) + "\",\"digest\":\"" + digest.str() +
           "\",\"size\":" + std::to_string(size) + "}";
  }

  void change(int root) {
    auto write = [&](const char* path, const char* text) {
      os::write_all(os::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644, root).get(), text, path);
    };
    write("bin/tool", "another program");
    write("bin/new", "new");
    ASSERT_EQ(::linkat(root, "bin/new", root, "bin/hardlink", 0), 0);
    ASSERT_EQ(::unlinkat(root, "bin/gone", 0), 0);
    os::remove_tree("var/cache", root);
    ASSERT_EQ(::mkdirat(root, "var/cache", 0700), 0);
    write("var/cache/fresh", "fresh");
    ASSERT_EQ(::fchmodat(root, "bin/new", 04755, 0), 0);
    ASSERT_EQ(::mkfifoat(root, "var/fifo", 0600), 0);
    ASSERT_EQ(::symlinkat("/nowhere", root, "var/link"), 0);
    if (mode_ == os::IdMode::Full) {
      ASSERT_EQ(::fchownat(root, "bin/tool", 5, 6, 0), 0);
      ASSERT_EQ(::fchownat(root, "var/cache", 33, 33, 0), 0);
    }
  }

  Transaction& transaction_;
  os::IdMode mode_;
  std::optional<oci::ChainId> top_;
  std::vector<oci::DiffId> stack_;
  std::string ids_, descriptors_;
};

void expect_step_visible(const Store& store) {
  os::Dir merged(os::mount_overlay({.lowers = store.overlay_lowers(store.get("built")), .upper = {}, .work = {}}),
                 "merged");
  EXPECT_EQ(os::read_file("bin/tool", 100, merged.fd()), "another program");
  EXPECT_FALSE(os::exists("bin/gone", merged.fd()));
  EXPECT_FALSE(os::exists("var/cache/old", merged.fd()));
  EXPECT_EQ(os::read_file("var/cache/fresh", 100, merged.fd()), "fresh");
  EXPECT_EQ(os::stat("bin/new", merged.fd()).st_mode & 07777, 04755u);
}

int build_and_check(const os::Path& base, os::IdMode mode, const std::string& owners) {
  const Store store = Store::open(base + "/store", Store::Create::Yes);
  {
    Transaction transaction = Transaction::begin(store, owners);
    Layers layers(transaction, mode);
    layers.unpack_base();
    layers.run_step();
    layers.finish(store);
  }
  expect_step_visible(store);
  for (const Finding& finding : check(store, {.owners = owners, .content = true})) {
    ADD_FAILURE() << finding.object << ": " << finding.text;
  }
  // Files of other owners and work directories of the kernel: all can be removed.
  remove_image(store, store.get("built"), false);
  EXPECT_EQ(collect(store).layers, 2u);
  EXPECT_TRUE(os::list_dir(base + "/store/trash").empty());
  EXPECT_TRUE(os::list_dir(base + "/store/staging").empty());
  os::remove_tree(base);
  return testing::Test::HasFailure() ? 1 : 0;
}

void in_namespace(os::IdMode wanted, const std::string& owners) {
  std::string base = "/var/tmp/proa-adopt-XXXXXX";
  ASSERT_NE(::mkdtemp(base.data()), nullptr);
  os::Child child = os::fork_process([&]() -> int {
    try {
      os::IdFacts facts = os::gather_id_facts();
      if (wanted == os::IdMode::Single) facts.subordinate_uids.clear();
      const os::UserNamespacePlan plan = os::enter_user_namespace(os::plan_user_namespace(facts));
      if (plan.mode != wanted) return 77;
      return build_and_check(base, wanted, owners);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 99;
    }
  });
  const int code = child.wait().to_exit_code();
  if (code == 77) {
    os::remove_tree(base);
    GTEST_SKIP() << "this user cannot have such a user namespace";
  }
  EXPECT_EQ(code, 0);
}

TEST(AdoptTest, WithSubordinateIds) { in_namespace(os::IdMode::Full, "full"); }
TEST(AdoptTest, WithOneId) { in_namespace(os::IdMode::Single, "single"); }

}  // namespace
}  // namespace proa::store
