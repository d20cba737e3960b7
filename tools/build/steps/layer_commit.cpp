#include "tools/build/steps/layer_commit.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"

namespace proa::build {
namespace {

void settle_entry(int folder, const std::string& name, const struct timespec& time, bool all) {
  struct stat st = os::stat(name, folder);
  bool newer =
      st.st_mtim.tv_sec > time.tv_sec || (st.st_mtim.tv_sec == time.tv_sec && st.st_mtim.tv_nsec > time.tv_nsec);
  if (!newer && !all) return;
  struct timespec both[2] = {time, time};
  if (::utimensat(folder, name.c_str(), both, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("set times of " + escape_control(name));
}

}  // namespace

bool is_empty_dir(const os::Path& path) { return os::list_dir(path).empty(); }

void settle_times(const os::Path& folder, Time time, bool all) {
  auto since_epoch = time.time_since_epoch();
  auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  struct timespec stamp {};
  stamp.tv_sec = seconds.count();
  stamp.tv_nsec = static_cast<long>((since_epoch - seconds).count());
  struct Open {
    os::UniqueFd fd;
    std::vector<std::string> names;
    std::size_t next = 0;
  };
  std::vector<Open> stack;
  auto push = [&](os::UniqueFd fd) {
    std::vector<std::string> names = os::list_dir(fd.get(), "a layer");
    stack.push_back({std::move(fd), std::move(names), 0});
  };
  push(os::open(folder, O_RDONLY | O_DIRECTORY));
  settle_entry(stack.back().fd.get(), ".", stamp, all);
  while (!stack.empty()) {
    Open& top = stack.back();
    if (top.next == top.names.size()) {
      stack.pop_back();
      continue;
    }
    const std::string& name = top.names[top.next++];
    settle_entry(top.fd.get(), name, stamp, all);
    if (S_ISDIR(os::stat(name, top.fd.get()).st_mode))
      push(os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, top.fd.get()));
  }
}

NewLayer store_layer(store::Transaction& transaction, const os::Path& upper, const std::optional<oci::ChainId>& parent,
                     os::IdMode mode) {
  archive::MakeOptions options;
  options.whiteouts =
      mode == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  store::BlobWriter blob = transaction.begin_blob();
  {
    os::Dir tree = os::Dir::open(upper);
    archive::make_layer(tree, blob, options);
  }
  std::uint64_t size = blob.size();
  oci::Digest digest = blob.commit();
  // Not compressed: the digest of the blob is the diff id.
  oci::DiffId diff_id(digest);
  oci::ChainId chain = transaction.adopt_layer(upper, parent, diff_id, digest);
  return {chain, diff_id, digest, size};
}

}  // namespace proa::build
