// Filters of a third of the size: loading one is translated and compiled by the kernel each time a container starts.
#pragma once

#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {

// A program that answers as `full` does. Call numbers whose answer does not depend on arguments are found by a binary
// search over ranges of equal answers, instead of one comparison for each call; the others are handed to `rest`, which
// must agree with `full` on them.
Bpf shrink_filter(const Bpf& full, const Bpf& rest);

}  // namespace proa::runtime
