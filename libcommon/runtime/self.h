// Rule: the binary of a tool must not be writable from inside a container (CVE-2019-5736).
#pragma once

namespace proa::runtime {

// For the start of main() in verbs that start or join containers, before any thread. When an id that containers can
// have owns our binary (root's binary run by root, a user's own), the program executes itself again from a read-only
// mount of it or from a sealed copy in memory. Otherwise it costs one fstat. argv[0] is then the absolute path of the
// original.
void protect_own_binary(char** argv);
// The file this program was started from, whether or not it runs from a copy.
const char* own_binary();

}  // namespace proa::runtime
