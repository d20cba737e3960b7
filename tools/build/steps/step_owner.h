// Who owns what a step made, with one mapped id.
#pragma once

#include "libcommon/os/file.h"
#include "tools/build/steps/copy_files.h"

namespace proa::build {

// On disk everything belongs to the one id, also when the step ran as another USER. Files that the layers below do not
// have are noted as that user's, unless the step said whose they are; of the others set-id bits are taken away, which
// no user but root could have set. `upper` is what the step left, `below` the root before it.
void note_step_owner(const os::Path& upper, int below, Ownership user);

}  // namespace proa::build
