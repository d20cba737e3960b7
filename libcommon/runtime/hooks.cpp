#include "libcommon/runtime/hooks.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"

namespace proa::runtime {
namespace {

void run_hook(const oci::RuntimeHook& hook, const std::string& state) {
  While running{[&] { return fmt::format("hook {}", hook.path); }};
  // A file, since the hook need not read its input at all.
  os::UniqueFd input(::memfd_create("state", MFD_CLOEXEC));
  if (!input.valid()) throw system_error("memfd_create");
  os::write_all(input.get(), state, "state");
  ::lseek(input.get(), 0, SEEK_SET);
  os::SpawnPlan plan;
  plan.program = hook.path;
  if (hook.args.size() > 1) plan.arguments.assign(hook.args.begin() + 1, hook.args.end());
  plan.environment = hook.env;
  plan.descriptors = {{input.get(), 0}};
  os::Child child = os::spawn(plan);
  auto status = hook.timeout ? child.wait_for(std::chrono::seconds(*hook.timeout)) : std::optional(child.wait());
  if (!status)
    throw Error(ErrorCode::Unavailable, fmt::format("hook {} took more than {} s", hook.path, *hook.timeout));
  if (!status->success()) throw Error(ErrorCode::Unavailable, fmt::format("hook {} {}", hook.path, status->text()));
}

}  // namespace

void run_hooks(const std::vector<oci::RuntimeHook>& hooks, const std::string& state) {
  for (const auto& hook : hooks) run_hook(hook, state);
}

void run_hooks(const std::vector<oci::RuntimeHook>& hooks, const oci::RuntimeSpec& spec, const LaunchRequest& request,
               const std::string& status) {
  if (hooks.empty()) return;
  oci::RuntimeState state{spec.oci_version, request.id, status, ::getpid(), request.bundle, spec.annotations};
  run_hooks(hooks, state.encode());
}

}  // namespace proa::runtime
