#include "tools/run/oci/update.h"

#include <fmt/core.h>
#include <unistd.h>

#include <limits>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/cgroup_limits.h"
#include "tools/run/oci/state.h"

namespace proa::run::oci {
namespace {

constexpr std::uint64_t kMaxResources = 1u << 20;

std::int64_t bytes(const char* flag, const std::string& text) {
  if (text == "-1") return -1;
  const auto size = parse_size_1024(text);
  if (!size) throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={}: not a size", flag, escape_control(text)));
  return *size;
}

template <typename Number>
void set_number(std::optional<Number>& to, const char* flag, const std::optional<std::int64_t>& value) {
  if (!value) return;
  if (*value < 0 || static_cast<std::uint64_t>(*value) > std::numeric_limits<Number>::max()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={} is out of range", flag, *value));
  }
  to = static_cast<Number>(*value);
}

proa::oci::RuntimeResources wanted(const UpdateOptions& options) {
  proa::oci::RuntimeResources resources;
  if (options.resources == "-") {
    resources = proa::oci::RuntimeResources::parse(os::read_fd(STDIN_FILENO, kMaxResources, "standard input"));
  } else if (!options.resources.empty()) {
    resources = proa::oci::RuntimeResources::parse(os::read_file(options.resources, kMaxResources));
  }
  if (options.memory) resources.memory_limit = bytes("memory", *options.memory);
  if (options.memory_reservation) {
    resources.memory_reservation = bytes("memory-reservation", *options.memory_reservation);
  }
  if (options.memory_swap) resources.memory_swap = bytes("memory-swap", *options.memory_swap);
  set_number(resources.cpu_shares, "cpu-share", options.cpu_shares);
  set_number(resources.cpu_period, "cpu-period", options.cpu_period);
  set_number(resources.block_io_weight, "blkio-weight", options.blkio_weight);
  if (options.cpu_quota) resources.cpu_quota = options.cpu_quota;
  if (options.pids_limit) resources.pids_limit = options.pids_limit;
  resources.cpus = options.cpuset_cpus.value_or(resources.cpus);
  resources.mems = options.cpuset_mems.value_or(resources.mems);
  return resources;
}

}  // namespace

void update(const UpdateOptions& options) {
  const ContainerState state = load(options.words.at(0));
  if (status_of(state) == Status::Stopped) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} has ended", state.id));
  }
  const auto resources = wanted(options);
  if (runtime::cgroup_settings(resources).files.empty()) return;
  if (state.cgroup.empty()) {
    throw Error(ErrorCode::Unsupported, "limits need a cgroup v2, and this container has none");
  }
  runtime::change_limits(state.cgroup, resources);
}

}  // namespace proa::run::oci
