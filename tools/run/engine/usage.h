// What the processes of a container take of the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/time.h"
#include "tools/run/engine/record.h"

namespace proa::engine {

struct Usage {
  Duration cpu{};                              // since the start
  std::uint64_t memory = 0, memory_limit = 0;  // bytes; without a limit that of the machine
  std::uint64_t received = 0, sent = 0;        // bytes of its network, loopback left out
  std::uint64_t read = 0, written = 0;         // bytes of block devices
  std::uint64_t processes = 0;
  Time taken{};
};

// Of one that runs: from its cgroup, else from /proc.
Usage usage_of(const RunState& state);

// Processes of the container as the host numbers them: those of its pid namespace; where that is the host's, the init
// and its descendants.
std::vector<pid_t> processes_of(const RunState& state);

// Parts of files of the kernel; pure.
std::uint64_t value_in(std::string_view text, std::string_view key);              // "usage_usec 12\n..."
std::pair<std::uint64_t, std::uint64_t> network_bytes(std::string_view net_dev);  // /proc/PID/net/dev
std::pair<std::uint64_t, std::uint64_t> block_bytes(std::string_view io_stat);    // io.stat

}  // namespace proa::engine
