#include "libcommon/os/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::os {
namespace {

constexpr std::array<const char*, 41> kNames{"CHOWN",
                                             "DAC_OVERRIDE",
                                             "DAC_READ_SEARCH",
                                             "FOWNER",
                                             "FSETID",
                                             "KILL",
                                             "SETGID",
                                             "SETUID",
                                             "SETPCAP",
                                             "LINUX_IMMUTABLE",
                                             "NET_BIND_SERVICE",
                                             "NET_BROADCAST",
                                             "NET_ADMIN",
                                             "NET_RAW",
                                             "IPC_LOCK",
                                             "IPC_OWNER",
                                             "SYS_MODULE",
                                             "SYS_RAWIO",
                                             "SYS_CHROOT",
                                             "SYS_PTRACE",
                                             "SYS_PACCT",
                                             "SYS_ADMIN",
                                             "SYS_BOOT",
                                             "SYS_NICE",
                                             "SYS_RESOURCE",
                                             "SYS_TIME",
                                             "SYS_TTY_CONFIG",
                                             "MKNOD",
                                             "LEASE",
                                             "AUDIT_WRITE",
                                             "AUDIT_CONTROL",
                                             "SETFCAP",
                                             "MAC_OVERRIDE",
                                             "MAC_ADMIN",
                                             "SYSLOG",
                                             "WAKE_ALARM",
                                             "BLOCK_SUSPEND",
                                             "AUDIT_READ",
                                             "PERFMON",
                                             "BPF",
                                             "CHECKPOINT_RESTORE"};

constexpr CapSet kLow = 0xffffffff;

std::uint32_t half(CapSet set, int index) { return static_cast<std::uint32_t>((set >> (32 * index)) & kLow); }

}  // namespace

int last_capability() {
  static const int last = [] {
    int highest = static_cast<int>(kNames.size()) - 1;
    while (highest > 0 && ::prctl(PR_CAPBSET_READ, highest, 0, 0, 0) < 0) --highest;
    return highest;
  }();
  return last;
}

std::optional<int> capability_number(std::string_view name) {
  std::string upper = to_upper(name);
  std::string_view rest = upper;
  if (rest.starts_with("CAP_")) rest.remove_prefix(4);
  auto found = std::find(kNames.begin(), kNames.end(), rest);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<int>(found - kNames.begin());
}

std::string capability_name(int capability) {
  return std::string("CAP_") + kNames.at(static_cast<std::size_t>(capability));
}

std::vector<std::string> capability_names(CapSet set) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if ((set & cap_bit(static_cast<int>(i))) != 0) names.push_back(capability_name(static_cast<int>(i)));
  }
  return names;
}

CapSet all_capabilities() { return cap_bit(last_capability() + 1) - 1; }

CapSet effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) throw system_error("capget");
  return data[0].effective | (CapSet{data[1].effective} << 32);
}

void drop_bounding(CapSet keep) {
  int last = last_capability();
  for (int i = 0; i <= last; ++i) {
    if ((keep & cap_bit(i)) == 0 && ::prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) {
      throw system_error("drop " + capability_name(i) + " from the bounding set");
    }
  }
}

void set_capabilities(const CapState& state) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (int i = 0; i < 2; ++i) {
    data[static_cast<std::size_t>(i)] = {half(state.effective, i), half(state.permitted, i),
                                         half(state.inheritable, i)};
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) throw system_error("capset");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    throw system_error("clear the ambient capabilities");
  for (int i = 0; state.ambient >> i != 0; ++i) {
    if ((state.ambient & cap_bit(i)) != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) != 0) {
      throw system_error("raise ambient " + capability_name(i));
    }
  }
}

}  // namespace proa::os
