// A second process in a running container has its namespaces and no more rights than its own specification says.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/tty.h"
#include "libcommon/runtime/exec.h"
#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

class Exec : public ::testing::Test {
 protected:
  // Starts the box with a sleeping command and runs `words` in it with the process of the box, changed by `edit`.
  Result exec(const std::vector<std::string>& words, const std::function<void(runtime::ExecRequest&)>& edit = {}) {
    Result result;
    os::UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
    box_.spec.args = {"/bin/sleep", "100"};
    box_.in_namespace(
        [&] {
          auto generated = box_.generate(os::plan_user_namespace());
          runtime::LaunchRequest launch;
          launch.spec = &generated.spec;
          launch.id = "test";
          launch.stdio = {-1, -1, -1};
          launch.parent_death_signal = SIGKILL;
          auto launched = runtime::launch(launch);
          launched.start();
          runtime::ExecRequest request;
          request.init_pid = launched.pid();
          request.init_pidfd = launched.pidfd();
          request.process = *generated.spec.process;
          request.process.args = words;
          request.seccomp = generated.spec.linux_.seccomp;
          request.stdio = {-1, out.get(), out.get()};
          if (edit) edit(request);
          auto joined = runtime::exec_in_container(request);
          os::UniqueFd master = joined.wait_ready();
          joined.start();
          int code = joined.child().wait().to_exit_code();
          if (master.valid()) {
            char buffer[4096];
            for (ssize_t got; (got = ::read(master.get(), buffer, sizeof buffer)) > 0;) {
              os::write_all(out.get(), std::string_view(buffer, static_cast<std::size_t>(got)), "out");
            }
          }
          return code;
        },
        result);
    ::lseek(out.get(), 0, SEEK_SET);
    result.out = os::read_fd(out.get(), 1 << 20, "out");
    return result;
  }
  Result sh(const std::string& script, const std::function<void(runtime::ExecRequest&)>& edit = {}) {
    return exec({"/bin/sh", "-c", script}, edit);
  }

  Box box_;
};

TEST_F(Exec, JoinsAllNamespacesAndReportsTheStatus) {
  auto result =
      sh("for n in pid mnt net ipc uts cgroup user; do test \"$(readlink /proc/self/ns/$n)\" = \"$(readlink "
         "/proc/1/ns/$n)\" || echo other $n; done; "
         "hostname; cat /proc/1/cmdline; exit 4");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out.substr(0, 4), "box\n") << result.out;
  EXPECT_NE(result.out.find("sleep"), std::string::npos);
}

TEST_F(Exec, HasTheSameFilterCapabilitiesAndNoInheritable) {
  auto result =
      sh("grep -E '^(Cap|Seccomp:)' /proc/self/status > /tmp/a; grep -E '^(Cap|Seccomp:)' /proc/1/status > /tmp/b; "
         "cat /tmp/a; grep -c . /tmp/b; test \"$(cat /tmp/a)\" = \"$(cat /tmp/b)\" && echo same");
  EXPECT_NE(result.out.find("same\n"), std::string::npos) << result.out << result.error;
  EXPECT_NE(result.out.find("CapInh:\t0000000000000000"), std::string::npos);
  EXPECT_NE(result.out.find("Seccomp:\t2"), std::string::npos);
}

TEST_F(Exec, NothingOfOursIsOpen) {
  auto result = sh("ls /proc/self/fd");
  EXPECT_EQ(result.out, "0\n1\n2\n3\n");
}

TEST_F(Exec, UserAndGroupsAreThoseAskedFor) {
  if (os::plan_user_namespace().mode != os::IdMode::Full) GTEST_SKIP() << "no subordinate ids";
  auto result = sh("id -u; id -g; grep ^Groups /proc/self/status; grep -E '^Cap(Eff|Amb|Inh)' /proc/self/status",
                   [](auto& request) {
                     request.process.user = {1, 1000, {}, {50}};
                     request.process.capabilities->effective.clear();
                     request.process.capabilities->permitted.clear();
                   });
  EXPECT_EQ(
      result.out,
      "1\n1000\nGroups:\t50 1000 \nCapInh:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

TEST_F(Exec, WorkingDirectoryOutsideIsRefused) {
  int leaked = ::open("/", O_RDONLY | O_DIRECTORY);
  for (int fd = 3; fd < 14; ++fd) {
    auto result = sh("ls", [&](auto& request) { request.process.cwd = "/proc/self/fd/" + std::to_string(fd); });
    EXPECT_EQ(result.out, "") << fd;
    EXPECT_NE(result.code, 0) << fd;
  }
  ::close(leaked);
}

// A root of the container that may mount puts a file of its own where the label is written.
TEST_F(Exec, LabelsAreWrittenToTheKernelsFileOnly) {
  box_.spec.cap_add = {"SYS_ADMIN"};
  for (const char* trap : {"mount -t tmpfs t /proc; mkdir -p /proc/thread-self/attr/apparmor; touch "
                           "/proc/thread-self/attr/exec /proc/thread-self/attr/apparmor/exec",
                           "mkdir /tmp/fake; mount --bind /proc/1/task/1 /tmp/fake; mount --bind /tmp/fake /proc"}) {
    auto result = sh("true", [&](auto& request) {
      auto preparing = request;
      preparing.process.args = {"/bin/sh", "-c", trap};
      auto prepared = runtime::exec_in_container(preparing);
      prepared.start();
      EXPECT_EQ(prepared.child().wait().to_exit_code(), 0);
      request.process.apparmor_profile = "wanted";
    });
    EXPECT_NE(result.code, 0);
    EXPECT_NE(result.error.find("not the kernel's"), std::string::npos) << result.error;
  }
}

TEST_F(Exec, TerminalIsOneOfTheContainer) {
  auto result = sh("tty; test -t 0 && stty size", [](auto& request) {
    request.process.terminal = true;
    request.process.console_size = oci::ConsoleSize{33, 77};
  });
  EXPECT_EQ(result.out, "/dev/pts/0\r\n33 77\r\n") << result.error;
}

TEST_F(Exec, CommandsThatCannotRun) {
  EXPECT_EQ(exec({"nowhere"}).code, 127);
  EXPECT_EQ(exec({"/etc/passwd"}).code, 126);
}

}  // namespace
}  // namespace proa::test
