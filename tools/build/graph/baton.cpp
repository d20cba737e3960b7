#include "tools/build/graph/baton.h"

#include <signal.h>

#include "libcommon/base/error.h"
#include "libcommon/os/pidfd.h"

namespace proa::build {
namespace {

void kill_quietly(int pidfd) {
  try {
    os::pidfd_send_signal(pidfd, SIGKILL);
  } catch (const Error&) {
    // It ended by itself.
  }
}

}  // namespace

Baton::Watch::Watch(Baton& baton, int pidfd) : baton_(baton), pidfd_(pidfd) {
  baton_.watched_.insert(pidfd);
  if (baton_.cancelled_) kill_quietly(pidfd);
}

void Baton::cancel() {
  cancelled_ = true;
  for (int pidfd : watched_) kill_quietly(pidfd);
}

}  // namespace proa::build
