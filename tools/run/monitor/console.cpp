#include "tools/run/monitor/console.h"

#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/os/socket.h"

namespace proa::monitor {

ConsoleListener::ConsoleListener(const os::Path& directory) : path_(os::join(directory, "console")) {
  const os::UniqueFd dir = os::open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  listener_ = os::listen_at(dir.get(), "console", 0600, SOCK_STREAM);
}

ConsoleListener::~ConsoleListener() { ::unlink(path_.c_str()); }

os::UniqueFd ConsoleListener::receive() {
  // The runtime has returned, so its connection waits here.
  const auto connection = os::accept(listener_.get());
  if (connection) {
    auto message = os::receive_message(connection->get());
    if (message && !message->descriptors.empty()) return std::move(message->descriptors.front());
  }
  throw Error(ErrorCode::Unavailable, "the runtime sent no terminal");
}

}  // namespace proa::monitor
