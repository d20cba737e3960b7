// The JSON file that credentials are kept in: read with care, rewritten whole under a lock.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace proa::config {

// nullopt: there is no such file. InvalidArgument, which quotes nothing of it, for what is no JSON object.
std::optional<nlohmann::ordered_json> read_auth_file(const std::string& path);
// Reads, changes and rewrites it (mode 0600, a link stays a link). `change` returns whether there is something to
// write.
bool edit_auth_file(std::string path, const std::function<bool(nlohmann::ordered_json&)>& change);

}  // namespace proa::config
