// Looking for repositories: Docker's index has a search of its own, other registries list their catalog.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "libcommon/registry/session.h"

namespace proa::registry {

struct FoundRepository {
  std::string name;         // without the registry: "library/busybox"
  std::string description;  // may hold anything
  std::int64_t stars = 0;
  bool official = false, automated = false;
};

// At most `limit` repositories whose names hold `term` (docker.io: what its search finds). An empty term lists all.
std::vector<FoundRepository> search(Session& session, const std::string& term, std::size_t limit,
                                    std::stop_token stop = {});

}  // namespace proa::registry
