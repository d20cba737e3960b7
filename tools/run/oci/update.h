// `oci update`: other limits for a container that exists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proa::run::oci {

struct UpdateOptions {
  std::vector<std::string> words;  // the id
  std::string resources;           // file with a resources object, "-" is standard input; the flags win over it
  std::optional<std::string> memory, memory_reservation, memory_swap;  // bytes, or with a unit
  std::optional<std::int64_t> cpu_shares, cpu_quota, cpu_period, pids_limit, blkio_weight;
  std::optional<std::string> cpuset_cpus, cpuset_mems;
};
void update(const UpdateOptions& options);

}  // namespace proa::run::oci
