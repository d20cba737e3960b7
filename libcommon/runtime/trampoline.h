// What the last step into the container is executed from. The kernel follows `#!/proc/self/exe` of a hostile image back
// to the program that executes it (CVE-2019-5736): that must be nothing a container could write to. Where our own
// binary belongs to an id that containers have, the command is executed by a program of a few hundred bytes out of
// sealed memory instead.
#pragma once

#include <string>
#include <vector>

#include "libcommon/os/unique_fd.h"

namespace proa::runtime {

// Whether ids inside of our containers could write to our own binary. Costs a few system calls; asked before the clone.
bool own_binary_within_reach();

// The sealed program, close-on-exec.
os::UniqueFd make_trampoline();
// Executes it; it then executes `program`. `report_fd` stays open until that happened; on failure the trampoline writes
// one message {Message::ExecFailed, errno} to it. Returns errno when the trampoline itself cannot be executed.
int exec_by_trampoline(int trampoline, int report_fd, const std::string& program, const std::vector<char*>& argv,
                       const std::vector<char*>& envp);

}  // namespace proa::runtime
