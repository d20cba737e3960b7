// Rule: the binary of a tool must not be writable from inside a container (CVE-2019-5736).
#pragma once

namespace proa::runtime {

// For the start of main() in verbs that start or join containers, before any thread. The last step into a container
// goes through a trampoline (trampoline.h), so that mostly nothing is to be done here. Where a security module is
// active its labels leave no room for that; then a binary that containers could write to executes itself again from a
// read-only mount of it or from a sealed copy.
void protect_own_binary(char** argv);
// The file this program was started from, whether or not it runs from a copy.
const char* own_binary();

}  // namespace proa::runtime
