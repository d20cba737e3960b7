// -e, --env-file, --label, --label-file: lists of KEY=VALUE.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

// A variable of the caller's environment; nullopt when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
std::optional<std::string> lookup_process_environment(std::string_view name);

// One -e: "K=V" stays; "K" becomes "K=V" with the caller's V, or stays as it is when that is not set.
// InvalidArgument: no name, or a NUL inside.
std::string parse_env(std::string_view text, const Lookup& lookup);

// The contents of an env file: a line is KEY=VALUE or KEY (taken from the caller's environment, or dropped when not set
// there);
// '#' begins a comment line; leading white space does not count, quotes have no meaning. `name` is for messages.
// InvalidArgument: a line without a name, white space in a name, 64 KiB or more in a line, bytes that are not UTF-8.
std::vector<std::string> parse_env_file(std::string_view text, std::string_view name, const Lookup& lookup);

// The environment that -e and --env-file make up: files first, then options, in order; an option "K" that is not set in
// the caller's environment is dropped.
std::vector<std::string> collect_env(const std::vector<std::string>& from_files,
                                     const std::vector<std::string>& options, const Lookup& lookup);

struct Label {
  std::string key, value;
  bool operator==(const Label&) const = default;
};
// "KEY=VALUE" or "KEY" (an empty value). InvalidArgument: an empty key or one with white space.
Label parse_label(std::string_view text);
// The contents of a label file, read like an env file; later lines win.
std::vector<Label> parse_label_file(std::string_view text, std::string_view name);

}  // namespace proa::spec
