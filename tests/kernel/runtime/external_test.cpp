// Another runtime is driven by its command line: here our own program under the name of a runtime, and crun where it
// works.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/external.h"
#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

class External : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* programs = std::getenv("PROA_BIN");
    if (programs == nullptr) GTEST_SKIP() << "PROA_BIN is not set";
    program_ = box_.directory() + "/proa-oci";
    ASSERT_EQ(::symlink((std::string(programs) + "/proa-run").c_str(), program_.c_str()), 0);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  // Runs in the user namespace, as the monitor does.
  Result run(
      const std::function<int(const runtime::ExternalRuntime&, runtime::ExternalRuntime::CreateOptions&)>& body) {
    Result result;
    os::UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
    box_.in_namespace(
        [&] {
          ::prctl(PR_SET_CHILD_SUBREAPER, 1);
          auto generated = box_.generate(os::plan_user_namespace());
          std::string config = generated.spec.encode();
          os::write_all(os::open(box_.directory() + "/config.json", O_WRONLY | O_CREAT, 0600).get(), config,
                        "config.json");
          runtime::ExternalRuntime runtime(program_, box_.directory() + "/state");
          runtime::ExternalRuntime::CreateOptions options;
          options.id = "outer";
          options.bundle = box_.directory();
          options.pid_file = box_.directory() + "/pid";
          options.stdio = {-1, out.get(), out.get()};
          return body(runtime, options);
        },
        result);
    ::lseek(out.get(), 0, SEEK_SET);
    result.out = os::read_fd(out.get(), 1 << 20, "out");
    return result;
  }

  Box box_;
  std::string program_;
};

TEST_F(External, LivesAWholeLife) {
  box_.spec.args = {"/bin/sh", "-c", "echo started; sleep 100"};
  auto result = run([&](const auto& runtime, auto& options) {
    pid_t pid = runtime.create(options);
    if (runtime.state("outer").value_or("").find("created") == std::string::npos) return 1;
    runtime.start("outer");
    if (runtime.state("outer").value_or("").find("running") == std::string::npos) return 2;
    std::string process = box_.directory() + "/process.json";
    oci::RuntimeProcess inner;
    inner.args = {"/bin/sh", "-c", "exit 9"};
    os::write_all(os::open(process, O_WRONLY | O_CREAT, 0600).get(), inner.encode(), process);
    if (runtime.exec("outer", process, {0, 1, 2}, "", "").wait().exit_code() != 9) return 3;
    runtime.kill("outer", SIGKILL);
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) return 4;
    runtime.remove("outer", false);
    return runtime.state("outer") ? 5 : 0;
  });
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(result.out, "started\n");
}

TEST_F(External, ItsOwnWordsAreReported) {
  box_.spec.args = {"/no/such/command"};
  auto result = run([&](const auto& runtime, auto& options) {
    runtime.create(options);
    return 0;
  });
  EXPECT_EQ(result.code, 127);
  EXPECT_NE(result.error.find("/no/such/command"), std::string::npos) << result.error;
}

TEST_F(External, AMissingRuntimeIsNotFound) { EXPECT_THROW(runtime::ExternalRuntime("no-such-runtime", ""), Error); }

}  // namespace
}  // namespace proa::test
