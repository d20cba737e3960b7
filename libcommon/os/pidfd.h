// Processes by descriptor (Linux 5.3): never the wrong one.
#pragma once

#include <sys/types.h>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

UniqueFd pidfd_open(pid_t pid);                 // throws NotFound when there is no such process
void pidfd_send_signal(int pidfd, int signal);  // throws; a process that ended is ESRCH
bool pidfd_ended(int pidfd);                    // does not wait

}  // namespace proa::os
