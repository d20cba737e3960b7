// The verbs that only show something.
#pragma once

#include <string>

namespace proa::run::oci {

void print_state(const std::string& id);
void print_list(bool quiet, const std::string& format);
void print_processes(const std::string& id, const std::string& format);
// A config.json to start from, as `runc spec` writes it.
void write_default_spec(const std::string& bundle, bool rootless);
// features.md of the runtime specification.
void print_features();

}  // namespace proa::run::oci
