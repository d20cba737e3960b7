// Works on a store step by step for tests that cut the power or kill: prints "done STEP" only after the step reported
// success.
//   store-driver STORE cycle FIRST COUNT   for each N from FIRST: store image N, tag it, remove image N-2
//   store-driver STORE verify LOG          what LOG (lines of cycle) says must hold; other images are absent or whole
//   store-driver STORE check               prints damage and leftovers, exit 1 if there is any
//   store-driver PATH shutdown             shuts the file system of PATH down without writing its journal: a power cut
#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/tree.h"
#include "tests/support/store_images.h"

namespace proa::store {
namespace {

constexpr const char* kOwners = "root";

// The ioctl of ext4, xfs and f2fs (kernel: fs/ext4/ext4.h EXT4_IOC_SHUTDOWN, fs/xfs/xfs_fs.h XFS_IOC_GOINGDOWN).
constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kNoLogFlush = 2;

TestImage image_number(int n) {
  // Some hundred files, so that a cut meets the middle of something.
  TestImage image = small_image("shared", 1);
  for (int layer = 0; layer < 2; ++layer) {
    TestLayer files;
    for (int i = 0; i < 100; ++i) {
      const std::string name = std::to_string(n) + "." + std::to_string(layer) + "." + std::to_string(i);
      files.files.emplace_back("usr/share/d" + std::to_string(i % 7) + "/" + name,
                               std::string(static_cast<std::size_t>(i) * 97, 'a' + n % 26) + name);
    }
    image.layers.push_back(std::move(files));
  }
  return image;
}

std::string name_of(int n) { return "image:" + std::to_string(n); }
std::string second_name_of(int n) { return "tagged:" + std::to_string(n); }

void done(const char* step, int n) {
  std::printf("done %s %d\n", step, n);
  std::fflush(stdout);
}

int cycle(const Store& store, int first, int count) {
  for (int n = first; n < first + count; ++n) {
    put(store, image_number(n), {name_of(n)}, {}, kOwners);
    done("store", n);
    tag(store, store.get(name_of(n)), oci::Reference::parse_normalized(second_name_of(n)));
    done("tag", n);
    if (auto old = n > 2 ? store.find(name_of(n - 2)) : std::nullopt) {
      std::printf("begin remove %d\n", n - 2);
      std::fflush(stdout);
      remove_image(store, *old, false);
      done("remove", n - 2);
      collect(store);
    }
  }
  return 0;
}

bool is_whole(const Store& store, int n, const std::string& name) {
  const TestImage expected = image_number(n);
  const StoredImage image = store.get(name);
  if (read_verified_blob(store, image.manifest.digest, 1 << 20) != expected.manifest()) return false;
  if (read_verified_blob(store, image.id.digest(), 1 << 20) != expected.config()) return false;
  std::vector<LayerRecord> records = store.layers(image);
  if (records.size() != expected.layers.size()) return false;
  for (std::size_t i = 0; i < records.size(); ++i) {
    os::Dir diff = os::Dir::open(store.layer_diff(records[i].chain));
    for (const auto& [path, content] : expected.layers[i].files) {
      if (os::read_file(diff.name() + "/" + path, 1 << 20) != content) return false;
    }
    if (summarize_tree(diff.fd(), diff.name()).fingerprint != records[i].fingerprint) return false;
  }
  return true;
}

struct Acknowledged {
  bool stored = false, tagged = false, removing = false, removed = false;
};

std::map<int, Acknowledged> read_log(const char* path) {
  std::map<int, Acknowledged> result;
  std::ifstream log(path);
  std::string word, step;
  int n = 0;
  while (log >> word >> step >> n) {
    Acknowledged& image = result[n];
    if (step == "remove") (word == "done" ? image.removed : image.removing) = true;
    if (step == "store") image = Acknowledged{.stored = true};
    if (step == "tag") image.tagged = true;
  }
  return result;
}

int verify(const Store& store, const char* log) {
  int bad = 0;
  auto complain = [&](int n, const char* text) {
    std::printf("image %d: %s\n", n, text);
    ++bad;
  };
  std::map<int, Acknowledged> images = read_log(log);
  const int last = images.empty() ? 0 : images.rbegin()->first;
  images[last + 1];  // the one under way
  for (const auto& [n, image] : images) {
    const bool named = store.find(name_of(n)).has_value(), tagged = store.find(second_name_of(n)).has_value();
    if (image.removed && (named || tagged)) complain(n, "removed, but there again");
    if (!image.removing && image.stored && !named) complain(n, "stored, but gone");
    if (!image.removing && image.tagged && !tagged) complain(n, "tagged, but the tag is gone");
    if (named && !is_whole(store, n, name_of(n))) complain(n, "is not whole");
    if (tagged && !is_whole(store, n, second_name_of(n))) complain(n, "is not whole under its second name");
  }
  return bad == 0 ? 0 : 1;
}

int check_all(const Store& store) {
  int bad = 0;
  for (const Finding& finding : check(store, {.owners = kOwners, .content = false})) {
    std::printf("%s: %s\n", finding.object.c_str(), finding.text.c_str());
    ++bad;
  }
  return bad == 0 ? 0 : 1;
}

int shut_down(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::uint32_t how = kNoLogFlush;
  if (fd < 0 || ::ioctl(fd, kShutdown, &how) != 0) {
    std::perror("shutdown");
    return 77;
  }
  return 0;
}

int run(int argc, char** argv) {
  const std::string verb = argc > 2 ? argv[2] : "";
  if (verb == "shutdown") return shut_down(argv[1]);
  Store store = Store::open(argv[1], Store::Create::Yes);
  if (verb == "cycle" && argc == 5) return cycle(store, std::atoi(argv[3]), std::atoi(argv[4]));
  if (verb == "verify" && argc == 4) return verify(store, argv[3]);
  if (verb == "check" && argc == 3) return check_all(store);
  std::fprintf(stderr, "usage: store-driver STORE cycle|verify|check|shutdown ...\n");
  return 2;
}

}  // namespace
}  // namespace proa::store

int main(int argc, char** argv) {
  try {
    return proa::store::run(argc, argv);
  } catch (const proa::Error& error) {
    std::fprintf(stderr, "store-driver: %s\n", error.what());
    return 3;
  }
}
