// Privileges given up for good, by a thread that is about to read foreign data.
#pragma once

namespace proa::os {

// From the calling thread, and only from it, everything is taken that unpacking below `directory` does not need:
//   Landlock (Linux 5.13, where it is switched on): no file is opened, made, removed or linked elsewhere; no TCP (6.7),
//   no signal or abstract socket leaves (6.12).
//   seccomp: an allow-list of calls for files and memory; every other one fails with EPERM. No sockets, no programs, no
//   new processes, no namespaces, no mounts, no tracing, no executable memory.
// Descriptors that are open already can still be read and written. What the kernel lacks is left out (a debug line
// tells). The thread shares the memory of the process: this stops whatever leads the thread astray, not an attacker
// who runs code of his own in it and knows where other threads keep their stacks.
void confine_thread_to(int directory);

}  // namespace proa::os
