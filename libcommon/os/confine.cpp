#include "libcommon/os/confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;  // no filter
#endif

// By what tar, codecs, digests, the allocator and the end of a thread call. Calls without a look at their arguments
// cost nothing: the kernel keeps a bitmap of them (Linux 5.11).
constexpr int kAllowed[] = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_lseek,
    SYS_close,
    SYS_openat,
    SYS_openat2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getdents64,
    SYS_readlinkat,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_fchown,
    SYS_fchownat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_fcntl,
    SYS_dup,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_sched_yield,
    SYS_getrandom,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_sched_getaffinity,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
#if defined(SYS_chmod)
    SYS_chmod,  // the library calls it where fchmodat would do
#endif
#if defined(SYS_readlink)
    SYS_readlink,
#endif
};
// Allowed unless the memory would be executable: their third argument holds PROT_EXEC.
constexpr int kProtecting[] = {SYS_mmap, SYS_mprotect};

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter answer(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
// Skips `instructions` when what was loaded is another value.
sock_filter skip_unless(std::uint32_t value, std::uint8_t instructions) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, instructions);
}

std::vector<sock_filter> make_filter() {
  constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  constexpr std::size_t kThirdArgument = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);  // its lower half
  std::vector<sock_filter> filter = {load(offsetof(seccomp_data, arch)), skip_unless(kArchitecture, 1),
                                     BPF_STMT(BPF_JMP | BPF_JA, 1), answer(SECCOMP_RET_KILL_PROCESS),
                                     load(offsetof(seccomp_data, nr))};
  for (int call : kAllowed) {
    filter.push_back(skip_unless(static_cast<std::uint32_t>(call), 1));
    filter.push_back(answer(SECCOMP_RET_ALLOW));
  }
  for (int call : kProtecting) {
    filter.push_back(skip_unless(static_cast<std::uint32_t>(call), 4));
    filter.push_back(load(kThirdArgument));
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
    filter.push_back(answer(kRefuse));
    filter.push_back(answer(SECCOMP_RET_ALLOW));
  }
  filter.push_back(answer(kRefuse));  // x32 calls as well: their numbers are others
  return filter;
}

bool install_filter() {
  if (kArchitecture == 0) return false;
  static const std::vector<sock_filter> filter = make_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  // Without this flag kernels before 5.16 also switch speculation off, which makes everything slower.
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0;
}

// struct landlock_ruleset_attr as it has grown; Debian 12's header has the first member only.
struct Ruleset {
  std::uint64_t files, tcp, scoped;
};

// What each version of Landlock knows, by its version; versions may be added, but nothing is taken away.
struct Known {
  int files;  // number of rights
  int tcp;
  int scoped;
  std::size_t size;
};
Known known_to(long version) {
  if (version >= 6) return {16, 2, 2, 24};
  if (version == 5) return {16, 2, 0, 16};
  if (version == 4) return {15, 2, 0, 16};
  if (version == 3) return {15, 0, 0, 8};
  if (version == 2) return {14, 0, 0, 8};
  return {13, 0, 0, 8};
}

constexpr std::uint64_t lowest(int bits) { return (std::uint64_t{1} << bits) - 1; }

bool enter_landlock(int directory) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  // The first version cannot allow links from one directory to another, which layers have.
  if (version < 2) return false;
  const Known known = known_to(version);
  const Ruleset wanted{lowest(known.files), lowest(known.tcp), lowest(known.scoped)};
  const UniqueFd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, known.size, 0)));
  if (!rules.valid()) return false;
  constexpr std::uint64_t kIoctl = 1u << 15;  // on devices; nothing opens any
  landlock_path_beneath_attr below{};
  below.allowed_access = wanted.files & ~(LANDLOCK_ACCESS_FS_EXECUTE | kIoctl);
  below.parent_fd = directory;
  return ::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0 &&
         ::syscall(SYS_landlock_restrict_self, rules.get(), 0) == 0;
}

}  // namespace

void confine_thread_to(int directory) {
  // Both want it; it holds for this thread and what it starts, which is nothing.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw system_error("prctl PR_SET_NO_NEW_PRIVS");
  if (!enter_landlock(directory)) log::debug("unpacking without Landlock: " + errno_text(errno));
  if (!install_filter()) log::debug("unpacking without a seccomp filter: " + errno_text(errno));
}

}  // namespace proa::os
