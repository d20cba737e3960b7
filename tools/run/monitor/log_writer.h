// A container's log in the format of Kubernetes' container runtimes, which podman calls k8s-file:
//   2026-11-23T08:00:00.123456789Z stdout F a whole line
//   2026-11-23T08:00:00.123456789Z stdout P a piece without its line end
#pragma once

#include <string>
#include <string_view>

#include "libcommon/os/unique_fd.h"

namespace proa::monitor {

class LogWriter {
 public:
  LogWriter() = default;  // writes nothing
  explicit LogWriter(os::UniqueFd fd) : fd_(std::move(fd)) {}
  // Best effort: a full disk must not end the container.
  void write(std::string_view stream, std::string_view data);

 private:
  os::UniqueFd fd_;
};

std::string format_log(std::string_view time, std::string_view stream, std::string_view data);

}  // namespace proa::monitor
