#include "libcommon/runtime/owner_call.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace proa::runtime {
namespace {

struct Free {
  void operator()(char* text) const { std::free(text); }
};

// Calls of x32 come as those of x86-64, with a bit.
std::uint32_t architecture_of(const seccomp_data& data) {
  constexpr int kX32 = 0x40000000;
  return data.arch == AUDIT_ARCH_X86_64 && (data.nr & kX32) != 0 ? SCMP_ARCH_X32 : data.arch;
}

// chown(2), NOTES: the calls without "32" of old 32-bit machines have ids of 16 bits.
std::uint32_t id_of(std::uint64_t argument, bool narrow) {
  if (!narrow) return static_cast<std::uint32_t>(argument);
  auto id = static_cast<std::uint16_t>(argument);
  return id == 0xffff ? OwnerCall::kKeep : id;
}

}  // namespace

std::optional<OwnerCall> decode_owner_call(const seccomp_data& data) {
  const std::uint32_t architecture = architecture_of(data);
  std::unique_ptr<char, Free> resolved(seccomp_syscall_resolve_num_arch(architecture, data.nr));
  if (!resolved) return std::nullopt;
  std::string_view name = resolved.get();
  OwnerCall call;
  if (name == "fchownat") {
    const auto fd = static_cast<int>(data.args[0]);
    if (fd != AT_FDCWD) call.fd = fd;
    call.path = data.args[1];
    call.uid = id_of(data.args[2], false);
    call.gid = id_of(data.args[3], false);
    const auto flags = static_cast<int>(data.args[4]);
    call.follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    call.empty_is_fd = (flags & AT_EMPTY_PATH) != 0;
    call.valid = (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0;
    return call;
  }
  const bool wide = name.ends_with("32");
  if (wide) name.remove_suffix(2);
  if (name != "chown" && name != "lchown" && name != "fchown") return std::nullopt;
  const bool narrow = !wide && (architecture == SCMP_ARCH_X86 || architecture == SCMP_ARCH_ARM);
  if (name == "fchown") {
    call.fd = static_cast<int>(data.args[0]);
  } else {
    call.path = data.args[0];
    call.follow = name == "chown";
    // The address 0 is a fault, not "the descriptor itself".
    if (call.path == 0) call.path = 1;
  }
  call.uid = id_of(data.args[1], narrow);
  call.gid = id_of(data.args[2], narrow);
  return call;
}

os::FileOwner owner_after(const OwnerCall& call, os::FileOwner before) {
  return {call.uid == OwnerCall::kKeep ? before.uid : call.uid, call.gid == OwnerCall::kKeep ? before.gid : call.gid};
}

}  // namespace proa::runtime
