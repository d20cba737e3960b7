#include "libcommon/runtime/self.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>

#include "libcommon/base/error.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/file.h"
#include "libcommon/os/mount.h"
#include "libcommon/runtime/trampoline.h"

extern char** environ;

namespace proa::runtime {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
// Tells the second start where the first one came from; removed at once, so that no child sees it.
constexpr const char* kOrigin = "PROA_ORIGIN";
std::string origin;

bool has_security_labels() {
  return ::access("/sys/kernel/security/apparmor", F_OK) == 0 || ::access("/sys/fs/selinux/enforce", F_OK) == 0;
}

os::UniqueFd read_only_mount() {
  os::UniqueFd mount = os::clone_mount(kSelf, false);
  os::set_mount_attributes(mount.get(), MOUNT_ATTR_RDONLY, 0, 0, false, kSelf);
  return mount;
}

os::UniqueFd sealed_copy(int from, off_t size) {
  // Linux 6.3 wants to be told that the file is meant to be executed; older kernels do not know the flag.
  constexpr unsigned kExec = 0x10;
  os::UniqueFd copy(::memfd_create("proa", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExec));
  if (!copy.valid() && errno == EINVAL) copy = os::UniqueFd(::memfd_create("proa", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.valid()) throw system_error("memfd_create");
  for (off_t done = 0; done < size;) {
    ssize_t moved = ::sendfile(copy.get(), from, nullptr, static_cast<std::size_t>(size - done));
    if (moved <= 0) throw system_error("copy our own program");
    done += moved;
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    throw system_error("seal the copy of our own program");
  }
  return copy;
}

}  // namespace

const char* own_binary() {
  if (origin.empty()) {
    const char* passed = std::getenv(kOrigin);
    origin = passed != nullptr && passed[0] == '/' ? std::string(passed) : os::read_link(kSelf);
  }
  return origin.c_str();
}

void protect_own_binary(char** argv) {
  own_binary();
  ::unsetenv(kOrigin);
  if (!has_security_labels() || !own_binary_within_reach()) return;
  While protecting{"shielding our own program from containers"};
  os::UniqueFd self = os::open(kSelf, O_RDONLY);
  struct stat info {};
  if (::fstat(self.get(), &info) != 0) throw system_error("stat our own program");
  ::setenv(kOrigin, own_binary(), 1);
  os::UniqueFd shielded;
  if ((os::effective_capabilities() & os::cap_bit(CAP_SYS_ADMIN)) != 0) {
    try {
      shielded = read_only_mount();
    } catch (const Error&) {
      // No open_tree here; a copy does as well.
    }
  }
  if (!shielded.valid()) shielded = sealed_copy(self.get(), info.st_size);
  ::syscall(SYS_execveat, shielded.get(), "", argv, environ, AT_EMPTY_PATH);
  throw system_error("execute our own program again");
}

}  // namespace proa::runtime
