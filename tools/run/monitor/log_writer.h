// A container's log in the format of Kubernetes' container runtimes, which podman calls k8s-file:
//   2026-11-23T08:00:00.123456789Z stdout F a whole line
//   2026-11-23T08:00:00.123456789Z stdout P a piece without its line end
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::monitor {

class LogWriter {
 public:
  LogWriter() = default;  // writes nothing
  // `ctr.log` in the container's folder, which stays open elsewhere. Beyond `max_size` bytes (0: never) it becomes
  // ctr.log.1, that one ctr.log.2, and so on, until there are `max_files` of them.
  LogWriter(int folder, std::int64_t max_size, int max_files);
  // Best effort: a full disk must not end the container. A log leaves room for others: with less than 16 MiB (small
  // file systems: a twentieth) free, output is not logged, and a line says so.
  void write(std::string_view stream, std::string_view data);

 private:
  static constexpr std::int64_t kCheckEvery = 1 << 20;
  void open();
  void rotate() noexcept;
  std::size_t part_for_file(std::string_view text) const;
  bool append(std::string_view part);  // false: no room
  bool has_room();

  int folder_ = -1;
  std::int64_t max_size_ = 0, size_ = 0;
  std::int64_t unchecked_ = kCheckEvery;  // bytes since room was looked for
  bool full_ = false;
  int max_files_ = 1;
  os::UniqueFd fd_;
};

std::string format_log(std::string_view time, std::string_view stream, std::string_view data);

}  // namespace proa::monitor
