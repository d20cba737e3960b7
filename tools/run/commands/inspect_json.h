// A container as `inspect` shows it: the members of podman and of docker in one object.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "tools/run/engine/containers.h"

namespace proa::commands {

// `with_size` walks the container's files.
nlohmann::json container_json(const engine::Containers& containers, const engine::Container& container, bool with_size);

// "80/tcp" -> [{HostIp, HostPort}]; `exposed`: also those that are not published, with null.
nlohmann::json port_bindings(const engine::ContainerRecord& record, bool exposed);

}  // namespace proa::commands
