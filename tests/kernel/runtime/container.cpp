#include "tests/kernel/runtime/container.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"

namespace proa::test {
namespace {

const char* find_busybox() {
  for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return nullptr;
}

}  // namespace

Box::Box() {
  char name[] = "/tmp/proa-box-XXXXXX";
  directory_ = ::mkdtemp(name);
  root_ = directory_ + "/rootfs";
  for (const char* path : {"", "/bin", "/etc", "/proc", "/sys", "/dev", "/tmp", "/run", "/var", "/var/tmp", "/root"})
    dir(path);
  const char* busybox = find_busybox();
  if (busybox == nullptr) throw Error(ErrorCode::NotFound, "busybox-static is not installed");
  file("/bin/busybox", os::read_file(busybox, 8 << 20), 0755);
  for (const char* tool :
       {"sh",   "cat",    "ls",    "id",    "mount",    "grep", "touch", "mkdir", "stat",   "hostname", "sleep", "true",
        "echo", "chown",  "chmod", "mknod", "readlink", "pwd",  "env",   "head",  "sysctl", "ip",       "tty",   "stty",
        "kill", "ulimit", "awk",   "wc",    "ps",       "su",   "tar",   "dd",    "umask",  "test"}) {
    link("busybox", std::string("/bin/") + tool);
  }
  file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n");
  file("/etc/group", "root:x:0:\nann:x:1000:\nstaff:x:50:ann\n");
  spec.env = {"PATH=/bin"};
  spec.hostname = "box";
  spec.root_path = root_;
  spec.identity.groups = {0};
}

Box::~Box() {
  // Files of other ids of the map can only be removed from inside.
  Result ignored;
  in_namespace(
      [&] {
        os::remove_tree(directory_);
        return 0;
      },
      ignored);
}

void Box::file(const std::string& path, const std::string& text, unsigned mode) const {
  os::UniqueFd fd = os::open(root_ + path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  os::write_all(fd.get(), text, path);
  ::fchmod(fd.get(), mode);
}

void Box::dir(const std::string& path) const { os::make_dirs(root_ + path, 0755); }

void Box::link(const std::string& target, const std::string& path) const {
  if (::symlink(target.c_str(), (root_ + path).c_str()) != 0) throw system_error("symlink " + path);
}

os::UserNamespacePlan Box::enter() const {
  auto facts = os::gather_id_facts();
  if (single) facts.subordinate_uids.clear();
  return os::enter_user_namespace(os::plan_user_namespace(facts));
}

runtime::Generated Box::generate(const os::UserNamespacePlan& plan) const {
  auto generated = runtime::generate(spec, runtime::gather_host_facts(spec, plan));
  if (edit) edit(generated.spec);
  return generated;
}

void Box::in_namespace(const std::function<int()>& body, Result& result) const {
  os::UniqueFd report(::memfd_create("report", MFD_CLOEXEC));
  os::Child child = os::fork_process([&]() -> int {
    try {
      enter();
      return body();
    } catch (const runtime::LaunchError& error) {
      os::write_all(report.get(), error.text(), "report");
      return error.exit_code();
    } catch (const std::exception& error) {
      os::write_all(report.get(), std::string_view(error.what()), "report");
      return 125;
    }
  });
  result.code = child.wait().to_exit_code();
  ::lseek(report.get(), 0, SEEK_SET);
  result.error = os::read_fd(report.get(), 1 << 20, "report");
}

Result Box::run() const {
  Result result;
  os::UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  in_namespace(
      [&] {
        auto facts = os::gather_id_facts();
        auto generated = generate(os::plan_user_namespace(facts));
        runtime::LaunchRequest launch;
        launch.spec = &generated.spec;
        launch.id = "test";
        launch.bundle = directory_;
        launch.stdio = {-1, out.get(), out.get()};
        launch.emulate_single_id = single;
        launch.parent_death_signal = SIGKILL;
        if (request) request(launch);
        auto launched = runtime::launch(launch);
        launched.start();
        return launched.child().wait().to_exit_code();
      },
      result);
  ::lseek(out.get(), 0, SEEK_SET);
  result.out = os::read_fd(out.get(), 1 << 20, "out");
  return result;
}

Result Box::sh(const std::string& script) {
  spec.args = {"/bin/sh", "-c", script};
  return run();
}

}  // namespace proa::test
