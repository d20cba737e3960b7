// The truth table of the default profile: the compiled filter is run by a small interpreter, for each architecture and
// argument.
#include "libcommon/runtime/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "libcommon/base/error.h"

#if defined(__x86_64__)

namespace proa::runtime {
namespace {

constexpr std::uint32_t kX32 = 0x40000000;
constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kNoSys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::uint32_t kPerm = SECCOMP_RET_ERRNO | EPERM;
// Numbers of i386.
constexpr int k386Socketcall = 102, k386Socket = 359, k386Ioctl = 54, k386Getpid = 20, k386Keyctl = 288,
              k386Clone = 120;

bool jumps(std::uint16_t operation, std::uint32_t a, std::uint32_t k) {
  switch (operation) {
    case BPF_JEQ:
      return a == k;
    case BPF_JGT:
      return a > k;
    case BPF_JGE:
      return a >= k;
    case BPF_JSET:
      return (a & k) != 0;
    default:
      ADD_FAILURE() << "unknown jump";
      return false;
  }
}

std::uint32_t simulate(const Bpf& program, const seccomp_data& data) {
  std::uint32_t a = 0;
  std::array<std::uint32_t, 16> memory{};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const auto& op = program[at];
    switch (BPF_CLASS(op.code)) {
      case BPF_LD:
        if (BPF_MODE(op.code) == BPF_MEM) {
          a = memory.at(op.k);
        } else {
          std::memcpy(&a, reinterpret_cast<const char*>(&data) + op.k, sizeof a);
        }
        break;
      case BPF_ST:
        memory.at(op.k) = a;
        break;
      case BPF_ALU:
        a = BPF_OP(op.code) == BPF_AND ? a & op.k : a;
        break;
      case BPF_JMP:
        if (BPF_OP(op.code) == BPF_JA) {
          at += op.k;
        } else {
          at += jumps(BPF_OP(op.code), a, op.k) ? op.jt : op.jf;
        }
        break;
      case BPF_RET:
        return op.k;
      default:
        ADD_FAILURE() << "unknown instruction " << op.code;
        return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

class DefaultProfile : public ::testing::Test {
 protected:
  static constexpr os::CapSet kPlain = os::cap_bit(CAP_CHOWN) | os::cap_bit(CAP_SYS_CHROOT);
  std::uint32_t call(int number, std::array<std::uint64_t, 6> args = {}, std::uint32_t arch = AUDIT_ARCH_X86_64) const {
    seccomp_data data{};
    data.nr = number;
    data.arch = arch;
    for (std::size_t i = 0; i < 6; ++i) data.args[i] = args[i];
    return simulate(program_, data);
  }
  Bpf program_ = compile_seccomp(default_seccomp_profile(kPlain));
};

TEST_F(DefaultProfile, EverydayCallsPass) {
  for (int number : {SYS_read, SYS_openat, SYS_execve, SYS_clock_gettime, SYS_futex, SYS_getrandom, SYS_statx,
                     SYS_chroot, SYS_setresuid}) {
    EXPECT_EQ(call(number), kAllow) << number;
  }
  EXPECT_EQ(call(k386Getpid, {}, AUDIT_ARCH_I386), kAllow);
}

TEST_F(DefaultProfile, UnknownCallsAreMissingNotForbidden) {
  EXPECT_EQ(call(1000), kNoSys);
  EXPECT_EQ(call(SYS_clone3), kNoSys);
  EXPECT_EQ(call(SYS_io_uring_setup), kNoSys);
  EXPECT_EQ(call(1000, {}, AUDIT_ARCH_I386), kNoSys);
}

TEST_F(DefaultProfile, AdministrativeCallsAreRefused) {
  for (int number :
       {SYS_mount,       SYS_umount2,    SYS_open_tree, SYS_move_mount,        SYS_fsopen,      SYS_mount_setattr,
        SYS_setns,       SYS_unshare,    SYS_bpf,       SYS_perf_event_open,   SYS_kexec_load,  SYS_init_module,
        SYS_reboot,      SYS_keyctl,     SYS_add_key,   SYS_request_key,       SYS_userfaultfd, SYS_pivot_root,
        SYS_swapon,      SYS_acct,       SYS_syslog,    SYS_open_by_handle_at, SYS_iopl,        SYS_settimeofday,
        SYS_sethostname, SYS_pidfd_getfd}) {
    EXPECT_EQ(call(number), kPerm) << number;
    EXPECT_NE(call(number | static_cast<int>(kX32)), kAllow) << number;
  }
  EXPECT_EQ(call(k386Keyctl, {}, AUDIT_ARCH_I386), kPerm);
}

TEST_F(DefaultProfile, NamespacesNeedACapability) {
  EXPECT_EQ(call(SYS_clone, {SIGCHLD}), kAllow);
  for (std::uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
    EXPECT_EQ(call(SYS_clone, {flag | SIGCHLD}), kNoSys) << flag;
    EXPECT_EQ(call(k386Clone, {flag}, AUDIT_ARCH_I386), kNoSys) << flag;
  }
  Bpf admin = compile_seccomp(default_seccomp_profile(os::cap_bit(CAP_SYS_ADMIN)));
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  for (int number : {SYS_mount, SYS_unshare, SYS_clone3, SYS_setns, SYS_bpf, SYS_clone}) {
    data.nr = number;
    data.args[0] = CLONE_NEWUSER;
    EXPECT_EQ(simulate(admin, data), kAllow) << number;
  }
}

TEST_F(DefaultProfile, SocketFamiliesAreComparedIn32Bits) {
  for (int number : {SYS_socket, SYS_socketpair}) {
    for (std::uint64_t family = 0; family < 64; ++family) {
      bool refused = family == 38 || family == 40;
      for (std::uint64_t high : {0ULL, 1ULL << 32, 0xffffffffULL << 32}) {
        EXPECT_EQ(call(number, {high | family, 1}) == kAllow, !refused) << family << " " << high;
      }
    }
    EXPECT_EQ(call(number, {0xffffffff}), kAllow);  // the kernel's own answer
  }
  EXPECT_NE(call(k386Socket, {40}, AUDIT_ARCH_I386), kAllow);
  EXPECT_EQ(call(k386Socket, {2}, AUDIT_ARCH_I386), kAllow);
}

TEST_F(DefaultProfile, SocketcallCannotMakeSockets) {
  for (std::uint64_t which = 1; which <= 20; ++which) {
    bool refused = which == 1 || which == 8;
    EXPECT_EQ(call(k386Socketcall, {which}, AUDIT_ARCH_I386) == kAllow, !refused) << which;
  }
}

TEST_F(DefaultProfile, TerminalInjectionIsComparedIn32Bits) {
  for (std::uint64_t request : {0x5412ULL, 0x541cULL}) {
    for (std::uint64_t high : {0ULL, 1ULL << 32, 0xfULL << 60})
      EXPECT_NE(call(SYS_ioctl, {0, request | high}), kAllow) << request;
    EXPECT_NE(call(k386Ioctl, {0, request}, AUDIT_ARCH_I386), kAllow);
  }
  for (std::uint64_t request :
       {0x5401ULL, 0x5413ULL, 0x5411ULL, 0x541dULL, 0x541bULL, 0x80045430ULL, 0ULL, 0xffffffffULL}) {
    EXPECT_EQ(call(SYS_ioctl, {0, request}), kAllow) << request;
  }
}

// An answer for every call number and for arguments that rules look at, against the rules themselves.
TEST_F(DefaultProfile, EveryCallIsAnsweredAsTheRulesSay) {
  auto profile = default_seccomp_profile(kPlain);
  auto matches = [](const oci::SeccompRule& rule, const std::array<std::uint64_t, 6>& args) {
    return std::all_of(rule.args.begin(), rule.args.end(), [&](const auto& argument) {
      return (args.at(argument.index) & argument.value) == argument.value_two;
    });
  };
  const std::vector<std::array<std::uint64_t, 6>> tried{{0, 0},  {1, 0x5401},     {2, 0x5412}, {38, 0x541c},
                                                        {40, 1}, {0x10000000, 2}, {0x8, 3}};
  int known = 0;
  for (int number = 0; number < 600; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    for (const auto& args : tried) {
      std::uint32_t expected = kNoSys;
      for (const auto& rule : profile.syscalls) {
        bool named = name != nullptr && std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end();
        if (named && matches(rule, args)) expected = rule.action == "SCMP_ACT_ALLOW" ? kAllow : kPerm;
      }
      EXPECT_EQ(call(number, args), expected) << number << " " << (name != nullptr ? name : "");
    }
    if (name != nullptr) ++known;
    std::free(name);
  }
  EXPECT_GT(known, 300);
  EXPECT_LT(program_.size(), 1000U);
}

TEST_F(DefaultProfile, PersonalitiesAreListed) {
  for (std::uint64_t persona : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL})
    EXPECT_EQ(call(SYS_personality, {persona}), kAllow);
  EXPECT_NE(call(SYS_personality, {0x40000}), kAllow);  // ADDR_NO_RANDOMIZE
  EXPECT_NE(call(SYS_personality, {(1ULL << 32) | 0x40000}), kAllow);
}

TEST_F(DefaultProfile, ForeignArchitecturesAreKilled) {
  EXPECT_EQ(call(SYS_read, {}, AUDIT_ARCH_AARCH64) & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_KILL_THREAD);
}

TEST_F(DefaultProfile, X32IsFilteredLikeTheRest) {
  EXPECT_EQ(call(SYS_read | static_cast<int>(kX32)), kAllow);
  EXPECT_NE(call(SYS_socket | static_cast<int>(kX32), {40}), kAllow);
}

TEST(CompileSeccomp, ArgumentsOfOneRuleMustAllHold) {
  oci::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.syscalls.push_back(
      {{"getpriority"}, "SCMP_ACT_ERRNO", 5, {{0, 1, 0, "SCMP_CMP_EQ"}, {1, 2, 0, "SCMP_CMP_GT"}}});
  Bpf program = compile_seccomp(profile);
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = SYS_getpriority;
  auto with = [&](std::uint64_t first, std::uint64_t second) {
    data.args[0] = first;
    data.args[1] = second;
    return simulate(program, data);
  };
  EXPECT_EQ(with(1, 3), SECCOMP_RET_ERRNO | 5);
  EXPECT_EQ(with(1, 2), kAllow);
  EXPECT_EQ(with(0, 3), kAllow);
}

TEST(CompileSeccomp, TheStricterOfTwoRulesHolds) {
  oci::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.syscalls.push_back({{"ioctl", "read"}, "SCMP_ACT_ALLOW", {}, {}});
  profile.syscalls.push_back({{"ioctl"}, "SCMP_ACT_ERRNO", 9, {{1, 7, 0, "SCMP_CMP_EQ"}}});
  Bpf program = compile_seccomp(profile);
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = SYS_ioctl;
  EXPECT_EQ(simulate(program, data), kAllow);
  data.args[1] = 7;
  EXPECT_EQ(simulate(program, data), SECCOMP_RET_ERRNO | 9);
  data.nr = SYS_write;
  EXPECT_EQ(simulate(program, data), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, UnknownActionsFail) {
  oci::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.syscalls.push_back({{"read"}, "SCMP_ACT_NONE", {}, {}});
  EXPECT_THROW(compile_seccomp(profile), Error);
}

TEST(SingleIdEmulation, OwnershipCallsSucceedWithoutHappening) {
  Bpf program = compile_seccomp(single_id_emulation(SingleId::Answer));
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  for (int number : {SYS_chown, SYS_fchown, SYS_lchown, SYS_fchownat, SYS_setgroups, SYS_setresuid, SYS_setresgid}) {
    data.nr = number;
    EXPECT_EQ(simulate(program, data), SECCOMP_RET_ERRNO | 0) << number;
  }
  data.nr = SYS_mknodat;
  data.args[2] = 0020666;
  EXPECT_EQ(simulate(program, data), SECCOMP_RET_ERRNO | 0);
  data.args[2] = 0010666;  // a FIFO is really made
  EXPECT_EQ(simulate(program, data), kAllow);
  data.nr = SYS_openat;
  EXPECT_EQ(simulate(program, data), kAllow);
}

TEST(SingleIdEmulation, OwnersCanBeHandedToAListener) {
  Bpf program = compile_seccomp(single_id_emulation(SingleId::Record));
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  for (int number : {SYS_chown, SYS_fchown, SYS_lchown, SYS_fchownat}) {
    data.nr = number;
    EXPECT_EQ(simulate(program, data), SECCOMP_RET_USER_NOTIF) << number;
    data.nr = number | static_cast<int>(kX32);
    EXPECT_EQ(simulate(program, data), SECCOMP_RET_USER_NOTIF) << number;
  }
  for (int number : {SYS_setgroups, SYS_setresuid}) {
    data.nr = number;
    EXPECT_EQ(simulate(program, data), SECCOMP_RET_ERRNO | 0) << number;
  }
}

TEST(SeccompCache, IsUsedOnlyWhenItIsOursAndHoldsThisProfile) {
  char name[] = "/tmp/proa-seccomp-XXXXXX";
  std::string directory = std::string(::mkdtemp(name)) + "/cache";
  auto profile = default_seccomp_profile(0);
  Bpf compiled = load_seccomp(profile, directory);
  auto same = [](const Bpf& a, const Bpf& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
  };
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator(directory), {});
  ASSERT_EQ(files.size(), 1U);
  auto mode = std::filesystem::status(files[0]).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_TRUE(same(load_seccomp(profile, directory), compiled));

  // The last instruction of a cache file made permissive: visible while the file is trusted, ignored when others could
  // have written it.
  auto size = std::filesystem::file_size(files[0]);
  std::fstream file(files[0], std::ios::in | std::ios::out | std::ios::binary);
  sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  file.seekp(static_cast<std::streamoff>(size - sizeof allow));
  file.write(reinterpret_cast<const char*>(&allow), sizeof allow);
  file.close();
  EXPECT_EQ(load_seccomp(profile, directory).back().k, SECCOMP_RET_ALLOW);
  std::filesystem::permissions(files[0], mode | std::filesystem::perms::group_write);
  EXPECT_TRUE(same(load_seccomp(profile, directory), compiled));

  // A file for another profile under this name, and a cut one.
  std::filesystem::permissions(files[0], mode);
  std::filesystem::resize_file(files[0], size - 8);
  EXPECT_TRUE(same(load_seccomp(profile, directory), compiled));
  std::filesystem::remove_all(std::filesystem::path(directory).parent_path());
}

TEST(ParseSeccompProfile, IncludesAndExcludesFollowCapabilities) {
  const char* json = R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
    "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_S390X"}],
    "syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
      {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
      {"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"excludes":{"caps":["CAP_SYS_ADMIN"]}},
      {"names":["s390_pci_mmio_read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}}]})";
  auto plain = parse_seccomp_profile(json, 0);
  EXPECT_EQ(plain.architectures, (std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}));
  ASSERT_EQ(plain.syscalls.size(), 2U);
  EXPECT_EQ(plain.syscalls[1].action, "SCMP_ACT_ERRNO");
  auto admin = parse_seccomp_profile(json, os::cap_bit(CAP_SYS_ADMIN));
  ASSERT_EQ(admin.syscalls.size(), 2U);
  EXPECT_EQ(admin.syscalls[1].action, "SCMP_ACT_ALLOW");
  EXPECT_THROW(parse_seccomp_profile("{}", 0), Error);
}

}  // namespace
}  // namespace proa::runtime

#endif
