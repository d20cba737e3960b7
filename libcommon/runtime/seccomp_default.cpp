// The default profile as a table. What is allowed here is what programs of distributions need and what gives no way to
// the kernel's administrative interfaces; what needs a capability comes with that capability.
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "libcommon/base/strings.h"
#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {
namespace {

constexpr const char* kAllowed =
    // files
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
    "fadvise64 fadvise64_64 "
    "fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr "
    "file_getattr file_setattr "
    "flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 "
    "futimesat getcwd getdents "
    "getdents64 getxattr getxattrat lchown lchown32 lgetxattr link linkat listmount listxattr listxattrat llistxattr "
    "_llseek lremovexattr "
    "lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe "
    "pipe2 pread64 preadv "
    "preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename "
    "renameat renameat2 rmdir "
    "sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync "
    "sync_file_range "
    "sync_file_range2 syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes "
    "vmsplice write writev "
    "cachestat "
    // memory
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 "
    "mprotect mremap mseal "
    "msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages rseq "
    // processes and credentials
    "arch_prctl capget capset execve execveat exit exit_group fork getegid getegid32 geteuid geteuid32 getgid getgid32 "
    "getgroups "
    "getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 getrlimit "
    "getrusage getsid gettid "
    "getuid getuid32 get_robust_list get_thread_area kill modify_ldt pidfd_open pidfd_send_signal prctl prlimit64 "
    "process_mrelease "
    "restart_syscall sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
    "sched_getscheduler "
    "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
    "sched_setscheduler sched_yield seccomp "
    "setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority setregid "
    "setregid32 setresgid "
    "setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid set_thread_area "
    "set_tid_address setuid setuid32 "
    "tgkill times tkill ugetrlimit uname vfork wait4 waitid waitpid landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self getcpu "
    "ptrace process_vm_readv process_vm_writev uretprobe "
    // signals, time, waiting
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
    "clock_nanosleep "
    "clock_nanosleep_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old eventfd "
    "eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getitimer gettimeofday nanosleep "
    "pause poll ppoll "
    "ppoll_time64 pselect6 pselect6_time64 rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend "
    "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo select _newselect setitimer sigaction sigaltstack signal "
    "signalfd signalfd4 "
    "sigpending sigprocmask sigreturn sigsuspend time timer_create timer_delete timer_getoverrun timer_gettime "
    "timer_gettime64 "
    "timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 "
    // sockets and IPC; socket and socketpair have rules below, and socketcall is narrowed by compile_seccomp()
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 "
    "recvmsg send sendmmsg "
    "sendmsg sendto socketcall setsockopt shutdown ipc mq_getsetattr mq_notify mq_open mq_timedreceive "
    "mq_timedreceive_time64 "
    "mq_timedsend "
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat "
    "shmctl shmdt shmget "
    // the rest
    "getrandom inotify_add_watch inotify_init inotify_init1 inotify_rm_watch fanotify_mark io_cancel io_destroy "
    "io_getevents io_pgetevents "
    "io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit sysinfo lsm_get_self_attr lsm_list_modules "
    "lsm_set_self_attr";

// Exist in kernels we know and are refused with EPERM, so that programs do not take them for missing.
constexpr const char* kRefused =
    "add_key keyctl request_key kexec_file_load kexec_load uselib userfaultfd ustat sysfs vm86 vm86old nfsservctl "
    "swapon swapoff quotactl "
    "quotactl_fd get_kernel_syms create_module query_module afs_syscall pivot_root migrate_pages move_pages";

struct CapabilityCalls {
  int capability;
  const char* names;
};
constexpr CapabilityCalls kWithCapability[] = {
    {CAP_DAC_READ_SEARCH, "open_by_handle_at"},
    {CAP_SYS_ADMIN,
     "bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree "
     "open_tree_attr "
     "perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns swapon swapoff syslog umount "
     "umount2 unshare"},
    {CAP_BPF, "bpf"},
    {CAP_PERFMON, "perf_event_open"},
    {CAP_SYS_BOOT, "reboot kexec_load kexec_file_load"},
    {CAP_SYS_CHROOT, "chroot"},
    {CAP_SYS_MODULE, "delete_module init_module finit_module"},
    {CAP_SYS_PACCT, "acct"},
    {CAP_SYS_PTRACE, "kcmp pidfd_getfd process_madvise"},
    {CAP_SYS_RAWIO, "iopl ioperm"},
    {CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64"},
    {CAP_SYS_TTY_CONFIG, "vhangup"},
    {CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages"},
    {CAP_SYSLOG, "syslog"},
};

constexpr std::uint64_t kNamespaceFlags =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
    CLONE_NEWNET;  // CLONE_NEWTIME (0x80) lies in clone's signal byte: clone3 only
constexpr std::uint64_t kLow32 = 0xffffffff;
constexpr const char* kAllow = "SCMP_ACT_ALLOW";
constexpr const char* kErrno = "SCMP_ACT_ERRNO";
constexpr std::uint64_t kAfAlg = 38, kAfVsock = 40;
constexpr std::uint64_t kTiocsti = 0x5412, kTioclinux = 0x541C;

std::vector<std::string> words(const char* names) {
  std::vector<std::string> list;
  for (auto& name : split(names, ' ')) {
    if (!name.empty()) list.push_back(std::move(name));
  }
  return list;
}

// The kernel looks at the low 32 bits of these arguments only; a comparison of 64 bits would let the value pass with a
// higher bit set (CVE-2019-10063). "Not equal" on 32 bits is written as prefixes: everything that leaves the paths to
// the refused values at some bit. One action only: rules that allow a call and refuse it for some arguments are more
// than libseccomp can hold together.
void allow_except(std::vector<oci::SeccompRule>& rules, const std::string& name, unsigned index,
                  const std::vector<std::uint64_t>& refused) {
  struct Branch {
    std::uint64_t mask, value;
    std::vector<std::uint64_t> inside;
  };
  std::vector<Branch> open{{0, 0, refused}};
  for (int bit = 31; bit >= 0; --bit) {
    std::vector<Branch> next;
    for (const auto& branch : open) {
      for (std::uint64_t side : {0, 1}) {
        Branch half{branch.mask | (1ULL << bit), branch.value | (side << bit), {}};
        for (auto value : branch.inside) {
          if (((value >> bit) & 1) == side) half.inside.push_back(value);
        }
        if (half.inside.empty()) {
          rules.push_back({{name}, kAllow, std::nullopt, {{index, half.mask, half.value, "SCMP_CMP_MASKED_EQ"}}});
        } else {
          next.push_back(std::move(half));
        }
      }
    }
    open = std::move(next);
  }
}

void add_personality(std::vector<oci::SeccompRule>& rules) {
  // PER_LINUX, PER_LINUX32, each with UNAME26, and the question for the present one.
  for (std::uint64_t persona : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU}) {
    rules.push_back({{"personality"}, kAllow, std::nullopt, {{0, kLow32, persona, "SCMP_CMP_MASKED_EQ"}}});
  }
}

std::vector<std::string> architectures() {
#if defined(__x86_64__)
  return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#else
  return {};
#endif
}

}  // namespace

oci::SeccompProfile default_seccomp_profile(os::CapSet capabilities) {
  oci::SeccompProfile profile;
  profile.default_action = kErrno;
  profile.default_errno_ret = ENOSYS;
  profile.architectures = architectures();
  auto allowed = words(kAllowed);
  auto refused = words(kRefused);
  auto has = [&](int capability) { return (capabilities & os::cap_bit(capability)) != 0; };
  for (const auto& group : kWithCapability) {
    for (auto& name : words(group.names)) {
      if (has(group.capability)) {
        std::erase(refused, name);
        if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) allowed.push_back(name);
      } else if (name != "clone3" && std::find(refused.begin(), refused.end(), name) == refused.end() &&
                 std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
        refused.push_back(
            name);  // clone3 stays unknown: its flags are in memory, and libc falls back to clone on ENOSYS
      }
    }
  }
  // A later group may allow what an earlier one refused.
  std::erase_if(refused,
                [&](const auto& name) { return std::find(allowed.begin(), allowed.end(), name) != allowed.end(); });
  auto& rules = profile.syscalls;
  if (has(CAP_SYS_ADMIN)) {
    allowed.emplace_back("clone");
  } else {
    rules.push_back({{"clone"}, kAllow, std::nullopt, {{0, kNamespaceFlags, 0, "SCMP_CMP_MASKED_EQ"}}});
  }
  rules.push_back({std::move(allowed), kAllow, std::nullopt, {}});
  rules.push_back({std::move(refused), kErrno, EPERM, {}});
  add_personality(rules);
  allow_except(rules, "socket", 0, {kAfAlg, kAfVsock});
  allow_except(rules, "socketpair", 0, {kAfAlg, kAfVsock});
  allow_except(rules, "ioctl", 1, {kTiocsti, kTioclinux});
  return profile;
}

oci::SeccompProfile single_id_emulation(SingleId how) {
  oci::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.architectures = architectures();
  profile.syscalls.push_back({{"chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"},
                              how == SingleId::Record ? "SCMP_ACT_NOTIFY" : "SCMP_ACT_ERRNO",
                              0,
                              {}});
  profile.syscalls.push_back(
      {{"setgroups", "setgroups32", "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid",
        "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32"},
       "SCMP_ACT_ERRNO",
       0,
       {}});
  for (std::uint64_t type : {S_IFCHR, S_IFBLK}) {
    profile.syscalls.push_back({{"mknod"}, "SCMP_ACT_ERRNO", 0, {{1, S_IFMT, type, "SCMP_CMP_MASKED_EQ"}}});
    profile.syscalls.push_back({{"mknodat"}, "SCMP_ACT_ERRNO", 0, {{2, S_IFMT, type, "SCMP_CMP_MASKED_EQ"}}});
  }
  return profile;
}

}  // namespace proa::runtime
