#include "libcommon/runtime/process_setup.h"

#include <fmt/core.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/trampoline.h"

namespace proa::runtime {
namespace {

using os::UniqueFd;

struct LimitName {
  std::string_view name;
  int number;
};
constexpr std::array<LimitName, 16> kLimits{{{"AS", RLIMIT_AS},
                                             {"CORE", RLIMIT_CORE},
                                             {"CPU", RLIMIT_CPU},
                                             {"DATA", RLIMIT_DATA},
                                             {"FSIZE", RLIMIT_FSIZE},
                                             {"LOCKS", RLIMIT_LOCKS},
                                             {"MEMLOCK", RLIMIT_MEMLOCK},
                                             {"MSGQUEUE", RLIMIT_MSGQUEUE},
                                             {"NICE", RLIMIT_NICE},
                                             {"NOFILE", RLIMIT_NOFILE},
                                             {"NPROC", RLIMIT_NPROC},
                                             {"RSS", RLIMIT_RSS},
                                             {"RTPRIO", RLIMIT_RTPRIO},
                                             {"RTTIME", RLIMIT_RTTIME},
                                             {"SIGPENDING", RLIMIT_SIGPENDING},
                                             {"STACK", RLIMIT_STACK}}};

int limit_number(const std::string& type) {
  std::string_view name = type;
  if (name.starts_with("RLIMIT_")) name.remove_prefix(7);
  for (const auto& limit : kLimits) {
    if (limit.name == name) return limit.number;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown limit {}", type));
}

os::CapSet capability_set(const std::vector<std::string>& names) {
  os::CapSet set = 0;
  for (const auto& name : names) {
    // A capability that this kernel does not know cannot be held; leaving it out gives fewer rights, never more.
    auto number = os::capability_number(name);
    if (number && *number <= os::last_capability()) set |= os::cap_bit(*number);
  }
  return set;
}

long install_filter(const Bpf& filter, unsigned flags) {
  sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) throw system_error("load the seccomp filter");
  return result;
}

void load_filter(const Bpf& filter) {
  if (!filter.empty()) install_filter(filter, 0);
}

UniqueFd load_emulation(const ProcessPlan& plan) {
  if (plan.single_id != SingleId::Record) {
    load_filter(plan.emulation);
    return {};
  }
  return UniqueFd(static_cast<int>(install_filter(plan.emulation, SECCOMP_FILTER_FLAG_NEW_LISTENER)));
}

// Nobody would listen: the calls would fail, where the profile's author meant them to be decided on.
void refuse_notifications(const oci::SeccompProfile& profile) {
  auto notifies = [](const std::string& action) { return action == "SCMP_ACT_NOTIFY"; };
  if (notifies(profile.default_action) || std::any_of(profile.syscalls.begin(), profile.syscalls.end(),
                                                      [&](const auto& rule) { return notifies(rule.action); })) {
    throw Error(ErrorCode::Unsupported, "seccomp action SCMP_ACT_NOTIFY is not supported");
  }
}

// A file of this process below attr/, of the real procfs. In a container that runs already its root may have put
// something in the way, and the label would be written there (CVE-2019-16884, CVE-2025-52881).
std::optional<UniqueFd> open_own_attribute(const std::string& name) {
  constexpr ino_t kProcRoot = 1;
  UniqueFd proc = os::open("/proc", O_PATH | O_DIRECTORY);
  struct statfs system {};
  struct stat info {};
  if (::fstatfs(proc.get(), &system) != 0 || ::fstat(proc.get(), &info) != 0) throw system_error("stat /proc");
  if (system.f_type != PROC_SUPER_MAGIC || info.st_ino != kProcRoot) {
    throw Error(ErrorCode::PermissionDenied, "/proc of the container is not the kernel's: the label cannot be set");
  }
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  std::string path = "thread-self/attr/" + name;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, proc.get(), path.c_str(), &how, sizeof how)));
  if (fd.valid()) return fd;
  if (errno == ENOENT) return std::nullopt;
  throw system_error("open /proc/" + path);
}

// The primary group belongs into the list (CVE-2022-2989): a file that denies it to the group would else be open to
// others' rights.
void set_groups(const ProcessPlan& plan) {
  if (plan.keep_groups) return;
  const auto& user = plan.process.user;
  std::vector<gid_t> groups{user.gid};
  for (auto group : user.additional_gids) {
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  if (::setgroups(groups.size(), groups.data()) == 0) return;
  int error = errno;
  // Without newgidmap the kernel keeps setgroups closed (CVE-2014-8989): the caller's groups stay, shown as 65534.
  if (error == EPERM && groups.size() == 1) {
    auto allowed = os::try_read_file("/proc/self/setgroups", 16);
    if (!allowed || allowed->starts_with("deny") || plan.single_id != SingleId::No) return;
  }
  throw system_error("setgroups", error);
}

void set_ids(const ProcessPlan& plan) {
  const auto& user = plan.process.user;
  if (plan.set_capabilities) os::drop_bounding(plan.capabilities.bounding);
  set_groups(plan);
  if (user.uid != 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw system_error("keep capabilities");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) throw system_error(fmt::format("setresgid {}", user.gid));
  if (::setresuid(user.uid, user.uid, user.uid) != 0) throw system_error(fmt::format("setresuid {}", user.uid));
  if (user.umask) ::umask(*user.umask);
}

void enter_working_directory(const std::string& cwd) {
  if (::chdir(cwd.c_str()) != 0) throw system_error("chdir " + cwd);
  // "(unreachable)..." is what a directory outside of the root looks like (CVE-2024-21626). The kernel's answer, not
  // libc's.
  std::array<char, PATH_MAX> path{};
  if (::syscall(SYS_getcwd, path.data(), path.size()) < 0) throw system_error("getcwd");
  if (path[0] != '/') throw Error(ErrorCode::PermissionDenied, fmt::format("{} is outside of the container", cwd));
}

}  // namespace

ProcessPlan prepare_process(const oci::RuntimeProcess& process, const std::optional<oci::SeccompProfile>& seccomp,
                            SingleId single_id, const std::string& seccomp_cache) {
  ProcessPlan plan;
  plan.process = process;
  if (process.args.empty()) throw Error(ErrorCode::InvalidArgument, "no command to run");
  if (const auto& caps = process.capabilities) {
    plan.set_capabilities = true;
    plan.capabilities = {capability_set(caps->bounding), capability_set(caps->permitted),
                         capability_set(caps->effective), capability_set(caps->inheritable),
                         capability_set(caps->ambient)};
  }
  for (const auto& limit : process.rlimits) plan.rlimits.emplace_back(limit_number(limit.type), limit);
  auto compiled = [&](const oci::SeccompProfile& profile) {
    return seccomp_cache.empty() ? compile_seccomp(profile) : load_seccomp(profile, seccomp_cache);
  };
  if (seccomp) {
    refuse_notifications(*seccomp);
    plan.filter = compiled(*seccomp);
  }
  plan.single_id = single_id;
  if (own_binary_within_reach()) {
    // A label is for the next exec only and would be used up by the trampoline; protect_own_binary() avoids this case.
    bool labelled = (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") ||
                    !process.selinux_label.empty();
    if (labelled)
      throw Error(ErrorCode::Unsupported, "a security label needs a program that containers cannot write to");
    plan.trampoline = make_trampoline();
  }
  if (single_id != SingleId::No) plan.emulation = compiled(single_id_emulation(single_id));
  return plan;
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal :
       {SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH}) {
    ::signal(signal, SIG_DFL);
  }
}

void set_limits(const ProcessPlan& plan) {
  for (const auto& [number, limit] : plan.rlimits) {
    struct rlimit value {
      limit.soft, limit.hard
    };
    if (::setrlimit(static_cast<__rlimit_resource_t>(number), &value) != 0) {
      throw system_error(fmt::format("set limit {} to {}:{}", limit.type, limit.soft, limit.hard));
    }
  }
}

void set_oom_score(const ProcessPlan& plan) {
  if (!plan.process.oom_score_adj) return;
  UniqueFd fd = os::open("/proc/self/oom_score_adj", O_WRONLY);
  os::write_all(fd.get(), fmt::format("{}", *plan.process.oom_score_adj), "oom_score_adj");
}

void set_stdio(const ProcessPlan& plan, int terminal) {
  if (terminal >= 0) {
    if (::ioctl(terminal, TIOCSCTTY, 0) != 0) throw system_error("take the terminal");
    if (const auto& size = plan.process.console_size) {
      winsize window{size->height, size->width, 0, 0};
      ::ioctl(terminal, TIOCSWINSZ, &window);
    }
    for (int i = 0; i < 3; ++i) {
      if (::dup2(terminal, i) < 0) throw system_error("dup2");
    }
  } else {
    // Copied above 2 first, so that any order of the three works.
    std::array<UniqueFd, 3> copies;
    for (std::size_t i = 0; i < 3; ++i) {
      int fd = plan.stdio[i];
      if (fd == static_cast<int>(i)) continue;
      copies[i] = fd < 0 ? os::open("/dev/null", O_RDWR) : UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
      if (!copies[i].valid()) throw system_error("dup");
    }
    for (int i = 0; i < 3; ++i) {
      auto& copy = copies[static_cast<std::size_t>(i)];
      if (copy.valid() && ::dup2(copy.get(), i) < 0) throw system_error("dup2");
    }
  }
  // Who is not root could not open /dev/stdout again otherwise. Some files cannot be given away, and need not.
  if (plan.process.user.uid != 0) {
    for (int i = 0; i < 3; ++i) {
      struct stat info {};
      if (::fstat(i, &info) == 0 && (S_ISFIFO(info.st_mode) || ::isatty(i) == 1)) {
        [[maybe_unused]] int ignored = ::fchown(i, plan.process.user.uid, static_cast<gid_t>(-1));
      }
    }
  }
}

void set_labels(const ProcessPlan& plan) {
  const auto& process = plan.process;
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") {
    // Linux 5.8 has the apparmor folder; before, the file is shared by all modules.
    auto fd = open_own_attribute("apparmor/exec");
    if (!fd) fd = open_own_attribute("exec");
    if (!fd) throw Error(ErrorCode::Unsupported, "this kernel has no AppArmor");
    os::write_all(fd->get(), "exec " + process.apparmor_profile, "the AppArmor profile " + process.apparmor_profile);
  }
  if (!process.selinux_label.empty()) {
    auto fd = open_own_attribute("exec");
    if (!fd) throw Error(ErrorCode::Unsupported, "this kernel has no SELinux");
    os::write_all(fd->get(), process.selinux_label, "the SELinux label " + process.selinux_label);
  }
}

os::UniqueFd become_process(const ProcessPlan& plan, InitStep& step) {
  UniqueFd listener;
  const auto& process = plan.process;
  // Whoever is in the container already must not look into us while we still hold more rights.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw system_error("PR_SET_DUMPABLE");
  step = InitStep::WorkingDirectory;
  bool entered = false;
  try {
    enter_working_directory(process.cwd);
    entered = true;
  } catch (const Error& error) {
    // A directory that only the user may enter: tried again as the user.
    if (error.error_number() != EACCES || process.user.uid == 0) throw;
  }
  // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is still held here.
  step = InitStep::Seccomp;
  if (!process.no_new_privileges) load_filter(plan.filter);
  step = InitStep::Identity;
  set_ids(plan);
  step = InitStep::Seccomp;
  if (!process.no_new_privileges) listener = load_emulation(plan);
  step = InitStep::Capabilities;
  if (plan.set_capabilities) os::set_capabilities(plan.capabilities);
  step = InitStep::WorkingDirectory;
  if (!entered) enter_working_directory(process.cwd);
  step = InitStep::Seccomp;
  if (process.no_new_privileges) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw system_error("PR_SET_NO_NEW_PRIVS");
    listener = load_emulation(plan);
    load_filter(plan.filter);
  }
  step = InitStep::Exec;
  return listener;
}

}  // namespace proa::runtime
