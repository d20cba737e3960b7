#include "tools/run/monitor/console.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/os/socket.h"

namespace proa::monitor {
namespace {

constexpr const char* kName = "console";

}  // namespace

ConsoleListener::ConsoleListener(const os::Path& directory)
    : directory_(os::open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC)),
      path_(fmt::format("/proc/{}/fd/{}/{}", ::getpid(), directory_.get(), kName)),
      listener_(os::listen_at(directory_.get(), kName, 0600, SOCK_STREAM)) {}

ConsoleListener::~ConsoleListener() { ::unlinkat(directory_.get(), kName, 0); }

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
