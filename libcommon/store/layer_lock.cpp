#include "libcommon/store/layer_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::store {
namespace {

off_t offset_of(const oci::ChainId& chain) {
  // 60 bits: positive in an off_t.
  return static_cast<off_t>(parse_integer<std::uint64_t>(chain.hex().substr(0, 15), 16).value());
}

}  // namespace

void LayerClaims::acquire(const std::vector<oci::ChainId>& chains, const os::Path& lock_file) {
  PROA_CHECK(!fd_.valid());
  std::vector<off_t> offsets;
  for (const oci::ChainId& chain : chains) offsets.push_back(offset_of(chain));
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());

  fd_ = os::open(lock_file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  for (off_t offset : offsets) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = offset;
    range.l_len = 1;
    while (::fcntl(fd_.get(), F_OFD_SETLKW, &range) != 0) {
      if (errno != EINTR) throw system_error("lock " + lock_file);
    }
  }
}

}  // namespace proa::store
