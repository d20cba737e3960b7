#include "libcommon/runtime/owner_recorder.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/file.h"
#include "libcommon/os/owner_note.h"
#include "libcommon/runtime/owner_call.h"

namespace proa::runtime {
namespace {

using os::UniqueFd;

// Thrown inside the recorder: what the caller gets as errno.
struct Refused {
  int error;
};

// The answer for what has no owner that could be noted: as the filter alone would answer.
constexpr int kDone = 0;

UniqueFd open_or_refuse(int at, const std::string& path, int flags) {
  int fd = ::openat(at, path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) throw Refused{errno};
  return UniqueFd(fd);
}

class Recorder {
 public:
  explicit Recorder(UniqueFd listener)
      : listener_(std::move(listener)), proc_(os::open("/proc", O_PATH | O_DIRECTORY)) {
    // A kernel may have longer structures than our headers (seccomp_unotify(2)).
    seccomp_notif_sizes sizes{};
    if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) throw system_error("seccomp");
    request_.resize(std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
    response_.resize(std::max<std::size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp)));
  }

  int run() {
    pollfd waiting{listener_.get(), POLLIN, 0};
    while (true) {
      if (::poll(&waiting, 1, -1) < 0) continue;
      if ((waiting.revents & POLLIN) != 0) {
        answer_one();
      } else if (waiting.revents != 0) {
        return 0;  // nobody is left who could ask
      }
    }
  }

 private:
  void answer_one() {
    std::fill(request_.begin(), request_.end(), std::byte{});
    std::fill(response_.begin(), response_.end(), std::byte{});
    auto* request = reinterpret_cast<seccomp_notif*>(request_.data());
    auto* response = reinterpret_cast<seccomp_notif_resp*>(response_.data());
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, request) != 0) return;  // the caller was killed
    response->id = request->id;
    try {
      response->error = -handle(*request);
    } catch (const Refused& refused) {
      response->error = -refused.error;
    } catch (const std::exception&) {
      response->error = -EIO;
    }
    ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response);
  }

  // 0 or the errno of the call.
  int handle(const seccomp_notif& request) {
    auto call = decode_owner_call(request.data);
    if (!call) return ENOSYS;
    if (!call->valid) return EINVAL;
    const std::string caller = std::to_string(request.pid) + "/";
    std::string path;
    if (call->path != 0) path = read_path(caller, call->path);
    if (call->path != 0 && path.empty() && !call->empty_is_fd) return ENOENT;
    const std::string base = caller + (call->fd ? "fd/" + std::to_string(*call->fd) : "cwd");
    if (path.empty()) {
      UniqueFd file = open_base(base, 0);
      check_alive(request.id);
      return record(file, *call, caller);
    }
    UniqueFd root = open_or_refuse(proc_.get(), caller + "root", O_PATH | O_DIRECTORY);
    UniqueFd start = path[0] == '/' ? UniqueFd() : open_base(base, O_DIRECTORY);
    check_alive(request.id);
    auto file = look_up(root, start, path, call->follow);
    return file ? record(*file, *call, caller) : kDone;
  }

  UniqueFd open_base(const std::string& base, int flags) {
    int fd = ::openat(proc_.get(), base.c_str(), O_PATH | O_CLOEXEC | flags);
    if (fd < 0) throw Refused{errno == ENOENT ? EBADF : errno};
    return UniqueFd(fd);
  }

  // What was opened by number belongs to the caller only if it is still there, waiting.
  void check_alive(std::uint64_t id) {
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0) throw Refused{ENOENT};
  }

  std::string read_path(const std::string& caller, std::uint64_t address) {
    UniqueFd memory = open_or_refuse(proc_.get(), caller + "mem", O_RDONLY);
    std::array<char, PATH_MAX> text{};
    ssize_t size = ::pread(memory.get(), text.data(), text.size(), static_cast<off_t>(address));
    if (size <= 0) throw Refused{EFAULT};
    const auto* end = static_cast<const char*>(std::memchr(text.data(), 0, static_cast<std::size_t>(size)));
    if (end == nullptr) throw Refused{size == PATH_MAX ? ENAMETOOLONG : EFAULT};
    return std::string(text.data(), static_cast<std::size_t>(end - text.data()));
  }

  // As the caller would: its root is our root, so links and ".." lead to nothing that it could not reach.
  std::optional<UniqueFd> look_up(const UniqueFd& root, const UniqueFd& start, const std::string& path, bool follow) {
    if (::fchdir(root.get()) != 0 || ::chroot(".") != 0) throw Refused{errno};
    if (start.valid() && ::fchdir(start.get()) != 0) throw Refused{errno};
    open_how how{};
    how.flags = static_cast<std::uint64_t>(O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    how.resolve = RESOLVE_NO_MAGICLINKS;
    auto fd = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how));
    if (fd >= 0) return UniqueFd(fd);
    int error = errno;
    if ((error == ENOENT || error == ELOOP) && leads_to_descriptor(path, follow)) return std::nullopt;
    throw Refused{error};
  }

  // /dev/stdout and the like are descriptors of the caller, which nobody else can look up: no file of a layer.
  static bool leads_to_descriptor(const std::string& path, bool follow) {
    auto special = [](std::string_view text) { return text.starts_with("/dev/") || text.starts_with("/proc/"); };
    if (special(path)) return true;
    std::array<char, PATH_MAX> target{};
    ssize_t size = follow ? ::readlink(path.c_str(), target.data(), target.size()) : -1;
    return size > 0 && special({target.data(), static_cast<std::size_t>(size)});
  }

  int record(const UniqueFd& found, const OwnerCall& call, const std::string& caller) {
    struct stat info {};
    if (::fstat(found.get(), &info) != 0) return errno;
    // Only these have attributes to note an owner in (xattr(7)).
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return kDone;
    UniqueFd file =
        open_or_refuse(proc_.get(), "self/fd/" + std::to_string(found.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    auto before = noted_owner(file.get());
    auto after = owner_after(call, before);
    if (S_ISREG(info.st_mode)) {
      bool privileged =
          (info.st_mode & (S_ISUID | S_ISGID)) != 0 || ::fgetxattr(file.get(), "security.capability", nullptr, 0) > 0;
      // The kernel takes away what it takes away with every change of the owner.
      if (privileged && ::fchown(file.get(), 0, 0) != 0) return errno;
    }
    if (after == before || !may_chown(caller)) return kDone;
    if (after == os::FileOwner{}) {
      return ::fremovexattr(file.get(), os::kOwnerXattr) == 0 || errno == ENODATA ? kDone : errno;
    }
    std::string text = os::encode_owner(after);
    if (::fsetxattr(file.get(), os::kOwnerXattr, text.data(), text.size(), 0) == 0) return kDone;
    return errno == EOPNOTSUPP ? kDone : errno;  // tmpfs before Linux 6.6, which is in no layer
  }

  static os::FileOwner noted_owner(int file) {
    std::array<char, 64> text{};
    ssize_t size = ::fgetxattr(file, os::kOwnerXattr, text.data(), text.size());
    if (size <= 0) return {};
    return os::decode_owner({text.data(), static_cast<std::size_t>(size)}).value_or(os::FileOwner{});
  }

  // Without the capability the kernel would refuse. The filter's promise of success holds, but nothing is given away.
  bool may_chown(const std::string& caller) {
    auto status = os::read_file(caller + "status", 64 << 10, proc_.get());
    auto rest = cut(status, "\nCapEff:\t");
    if (!rest) return false;
    std::string digits(rest->second.substr(0, 16));
    return (std::strtoull(digits.c_str(), nullptr, 16) & os::cap_bit(CAP_CHOWN)) != 0;
  }

  UniqueFd listener_, proc_;
  std::vector<std::byte> request_, response_;
};

// Nothing of the builder stays within reach but what the work needs.
void drop_the_rest(int listener) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw system_error("PR_SET_PDEATHSIG");
  if (listener > 3 && ::close_range(3, static_cast<unsigned>(listener) - 1, 0) != 0) throw system_error("close_range");
  if (::close_range(static_cast<unsigned>(std::max(listener, 2)) + 1, ~0U, 0) != 0) throw system_error("close_range");
  os::CapSet kept = 0;
  for (int capability :
       {CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_CHROOT, CAP_SYS_PTRACE}) {
    kept |= os::cap_bit(capability);
  }
  kept &= os::effective_capabilities();
  os::set_capabilities({kept, kept, kept, 0, 0});
}

}  // namespace

os::Child start_owner_recorder(UniqueFd listener) {
  return os::fork_process([&] {
    drop_the_rest(listener.get());
    return Recorder(std::move(listener)).run();
  });
}

}  // namespace proa::runtime
