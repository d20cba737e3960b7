// What a container sees, what it cannot do, and how failures are told.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

using ::testing::Test;

bool full_ranges() { return os::plan_user_namespace().mode == os::IdMode::Full; }

TEST(Launch, RunsACommandAndReportsItsStatus) {
  Box box;
  auto result = box.sh("echo hello; exit 7");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.out, "hello\n");
  EXPECT_EQ(result.code, 7);
}

TEST(Launch, HasItsOwnNamespaces) {
  Box box;
  auto result = box.sh("echo $$; hostname; ls /sys/class/net; readlink /proc/1/ns/ipc; ps | wc -l");
  auto lines = split(result.out, '\n');
  ASSERT_GE(lines.size(), 5U) << result.error << result.out;
  EXPECT_EQ(lines[0], "1");
  EXPECT_EQ(lines[1], "box");
  EXPECT_EQ(lines[2], "lo");
  EXPECT_NE(lines[3], os::read_link("/proc/self/ns/ipc"));
}

TEST(Launch, LoopbackIsUp) {
  Box box;
  EXPECT_NE(box.sh("ip addr show lo").out.find("127.0.0.1"), std::string::npos);
}

TEST(Launch, StandardDevicesWork) {
  Box box;
  auto result = box.sh(
      "set -e; for d in null zero full random urandom tty; do test -c /dev/$d; done; head -c 4 /dev/zero | wc -c; "
      "echo x > /dev/null; for l in fd stdin ptmx; do readlink /dev/$l; done; test -d /dev/pts; test -d /dev/mqueue; "
      "stat -c %a "
      "/dev/shm");
  EXPECT_EQ(result.out, "4\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n1777\n") << result.error;
  EXPECT_EQ(result.code, 0);
}

TEST(Launch, CapabilitiesAreTheDefaultsAndNothingIsInheritable) {
  Box box;
  auto root = box.sh("grep ^Cap /proc/self/status");
  // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap
  EXPECT_EQ(
      root.out,
      "CapInh:\t0000000000000000\nCapPrm:\t00000000800405fb\nCapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb\n"
      "CapAmb:\t0000000000000000\n")
      << root.error;
  if (!full_ranges()) GTEST_SKIP() << "no subordinate ids";
  box.spec.identity = {1000, 1000, {1000}, "/home/ann", "ann"};
  auto user = box.sh("grep ^Cap /proc/self/status");
  EXPECT_NE(user.out.find("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000"),
            std::string::npos)
      << user.out;
  EXPECT_NE(user.out.find("CapAmb:\t0000000000000000"), std::string::npos);
}

TEST(Launch, PrimaryGroupIsInTheList) {
  if (!full_ranges()) GTEST_SKIP() << "no subordinate ids";
  Box box;
  box.spec.identity = {1000, 1000, {50}, "/", ""};
  EXPECT_EQ(box.sh("grep ^Groups: /proc/self/status; id -u").out, "Groups:\t50 1000 \n1000\n");
}

TEST(Launch, NothingOfTheHostsEnvironmentOrDescriptorsArrives) {
  Box box;
  ::setenv("PROA_SECRET_MARK", "1", 1);
  auto result = box.sh("env; ls /proc/self/fd");
  EXPECT_EQ(result.out.find("PROA_SECRET_MARK"), std::string::npos);
  EXPECT_NE(result.out.find("0\n1\n2\n3\n"), std::string::npos) << result.out;  // 3 is the directory that ls reads
  EXPECT_EQ(result.out.find("\n4\n"), std::string::npos);
}

TEST(Launch, PreservedDescriptorsArrive) {
  Box box;
  box.request = [](runtime::LaunchRequest& request) {
    int source = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int fd = 3; fd <= 20; ++fd) {
      if (::fcntl(fd, F_GETFD) < 0) ::dup2(source, fd);
    }
    request.preserve_fds = 18;
  };
  EXPECT_NE(box.sh("ls /proc/self/fd").out.find("20\n"), std::string::npos);
  // A number that is not open would become one of ours.
  box.request = [](runtime::LaunchRequest& request) {
    ::close(200);
    request.preserve_fds = 198;
  };
  EXPECT_EQ(box.sh("true").code, 125);
}

TEST(Launch, LeakyFilesAreMaskedAndSystemPathsReadOnly) {
  Box box;
  auto result = box.sh(
      "for f in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats; do "
      "p=/proc/$f; "
      "if test -d $p; then test -z \"$(ls $p)\" || echo open $p; elif test -e $p; then test -c $p || echo open $p; fi; "
      "done; "
      "for p in /sys/firmware /sys/devices/virtual/powercap /sys/fs/selinux; do test ! -d $p || test -z \"$(ls $p)\" "
      "|| echo open $p; done; "
      "for p in bus fs irq sys sysrq-trigger; do test ! -e /proc/$p || grep -q \" /proc/$p ro,\" "
      "/proc/self/mountinfo || echo writable $p; done; "
      "mkdir /sys/fs/cgroup/x 2>/dev/null && echo cgroup; echo done");
  EXPECT_EQ(result.out, "done\n") << result.error;
}

TEST(Launch, ReadOnlyRootKeepsItsTmpfs) {
  Box box;
  box.spec.read_only = true;
  auto result = box.sh(
      "touch /x 2>/dev/null && echo written; touch /etc/x 2>/dev/null && echo written; touch /tmp/x /run/x /dev/shm/x "
      "&& echo ok");
  EXPECT_EQ(result.out, "ok\n") << result.error;
}

TEST(Launch, FailuresNameTheirStep) {
  Box box;
  auto expect = [&](const std::string& step, auto change) {
    Box other;
    change(other);
    auto result = other.sh("true");
    EXPECT_EQ(result.code, 125) << step;
    EXPECT_NE(result.error.find("container init: " + step), std::string::npos) << step << ": " << result.error;
  };
  expect("mounts", [](Box& b) {
    b.spec.mounts.push_back({.source = "/no/such/place", .target = "/mnt", .propagation = {}, .options = {}});
  });
  expect("root", [](Box& b) { b.spec.root_path = "/no/such/root"; });
  expect("working directory", [](Box& b) { b.spec.cwd = "/etc/passwd"; });
  expect("sysctl", [](Box& b) { b.spec.sysctls["net.ipv4.no_such_thing"] = "1"; });
  expect("limits", [](Box& b) { b.spec.rlimits.push_back({"RLIMIT_NOFILE", 1ULL << 40, 1ULL << 40}); });
  if (::geteuid() != 0)
    expect("devices", [](Box& b) {
      b.edit = [](oci::RuntimeSpec& spec) { spec.linux_.devices.push_back({"/dev/nothing", "c", 1, 99, {}, {}, {}}); };
    });
  expect("join namespaces", [](Box& b) {
    b.edit = [](oci::RuntimeSpec& spec) {
      for (auto& space : spec.linux_.namespaces) {
        if (space.type == "network") space.path = "/proc/self/ns/uts";
      }
    };
  });
}

TEST(Launch, ExitCodesForCommandsThatCannotRun) {
  Box box;
  box.file("/etc/plain", "no program\n", 0644);
  box.file("/bin/data", "\x01\x02\x03\x04garbage", 0755);
  box.file("/bin/script", "#!/no/such/interpreter\n", 0755);
  auto code = [&](const std::string& command) {
    box.spec.args = {command};
    return box.run().code;
  };
  EXPECT_EQ(code("nowhere"), 127);
  EXPECT_EQ(code("/bin/nowhere"), 127);
  EXPECT_EQ(code("/etc/plain"), 126);
  EXPECT_EQ(code("/etc"), 126);
  EXPECT_EQ(code("data"), 126);
  EXPECT_EQ(code("script"), 127);
}

TEST(Launch, SignalsAndMaskAreOrdinary) {
  Box box;
  ::signal(SIGPIPE, SIG_IGN);
  auto result = box.sh("grep -E '^Sig(Blk|Ign)' /proc/self/status; umask");
  EXPECT_EQ(result.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n");
}

TEST(Launch, LimitsSysctlsAndNamesTakeEffect) {
  Box box;
  box.spec.rlimits.push_back({"RLIMIT_NOFILE", 77, 66});
  box.spec.sysctls["net.ipv4.ip_forward"] = "1";
  box.spec.domainname = "example";
  auto result = box.sh(
      "ulimit -n; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname; touch /proc/sys/net/x 2>/dev/null || "
      "echo ro");
  EXPECT_EQ(result.out, "66\n1\nexample\nro\n") << result.error;
}

TEST(Launch, SysctlsOfTheHostAreRefused) {
  Box box;
  box.edit = [](oci::RuntimeSpec& spec) { spec.linux_.sysctl["kernel.panic"] = "1"; };
  auto result = box.sh("true");
  EXPECT_EQ(result.code, 125);
  EXPECT_NE(result.error.find("kernel.panic"), std::string::npos);
}

TEST(Launch, InitReapsAndPassesTheStatusOn) {
  Box box;
  box.request = [](runtime::LaunchRequest& request) { request.init = true; };
  auto result = box.sh("echo $$ $PPID; (sleep 0.01 &) ; sleep 0.1; ls -d /proc/[0-9]* | wc -l; exit 3");
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out.substr(0, 4), "2 1\n") << result.out << result.error;
}

TEST(Launch, CommandOutputSurvivesWithoutStdin) {
  Box box;
  EXPECT_EQ(box.sh("cat; echo end").out, "end\n");
}

}  // namespace
}  // namespace proa::test
