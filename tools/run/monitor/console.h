// The console socket of OCI runtimes: they make the container's terminal and send its master over a stream socket.
#pragma once

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::monitor {

class ConsoleListener {
 public:
  explicit ConsoleListener(const os::Path& directory);
  ~ConsoleListener();
  ConsoleListener(const ConsoleListener&) = delete;
  ConsoleListener& operator=(const ConsoleListener&) = delete;

  // Short whatever the directory is called, since an address has 107 bytes; true as long as this object lives.
  const os::Path& path() const { return path_; }
  os::UniqueFd receive();

 private:
  os::UniqueFd directory_;
  os::Path path_;
  os::UniqueFd listener_;
};

}  // namespace proa::monitor
