// Mending the store from where its images came from: only the blobs that are damaged or missing are fetched.
#pragma once

#include <string>
#include <vector>

#include "libcommon/store/check.h"
#include "libcommon/transport/docker.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

// For store::repair() afterwards, which makes layers again from their blobs. Returns what was done, a line each. What
// cannot be fetched is told as a warning: the rest of the repair does without.
std::vector<std::string> refetch_blobs(LocalStore& local, const std::vector<store::Finding>& findings,
                                       const transport::RegistryOptions& registry);

}  // namespace proa::copy
