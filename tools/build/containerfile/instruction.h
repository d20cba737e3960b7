// What instructions mean, before variables are expanded: typed values with their place in the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/build/containerfile/syntax.h"

namespace proa::build {

struct KeyValue {
  std::string key, value;
  bool old_form = false;  // "ENV key value"
  bool operator==(const KeyValue&) const = default;
};

// A command in shell or exec form. Shell form is one text for the shell of the stage.
struct CommandLine {
  std::vector<std::string> words;
  bool shell = false;
  std::vector<Heredoc> files;
};

struct InlineFile {
  std::string name, content;
  bool expand = true;
};

struct Env {
  std::vector<KeyValue> pairs;
};
struct Label {
  std::vector<KeyValue> pairs;
};
struct Maintainer {
  std::string name;
};
// COPY and ADD.
struct Transfer {
  bool add = false;
  std::vector<std::string> sources;
  std::vector<InlineFile> files;
  std::string destination;
  std::string from, chown, chmod, checksum;
  bool link = false, parents = false;
  std::optional<bool> keep_git_dir, unpack;
  std::vector<std::string> excludes;
};
struct Run {
  CommandLine command;
  std::vector<std::string> mounts;  // as written; parse_mount() reads them once variables are known
  std::string network, security;
  std::vector<std::string> devices;
  std::vector<std::string> flags_used;
};
struct Cmd {
  CommandLine command;
};
struct Entrypoint {
  CommandLine command;
};
struct Healthcheck {
  std::vector<std::string> test;  // {"NONE"}, {"CMD", ...} or {"CMD-SHELL", text}
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  // nanoseconds
  int retries = 0;
};
struct Expose {
  std::vector<std::string> ports;
};
struct User {
  std::string user;
};
struct Volume {
  std::vector<std::string> paths;
};
struct StopSignal {
  std::string signal;
};
struct ArgItem {
  std::string key;
  std::optional<std::string> value;
  std::string doc_comment;
};
struct Arg {
  std::vector<ArgItem> items;
};
struct Shell {
  std::vector<std::string> words;
};
struct OnBuild {
  std::string expression;
};
struct WorkDir {
  std::string path;
};
struct From {
  std::string base, name, platform;
  std::string doc_comment;
};

using Meaning = std::variant<Env, Label, Maintainer, Transfer, Run, Cmd, Entrypoint, Healthcheck, Expose, User, Volume,
                             StopSignal, Arg, Shell, OnBuild, WorkDir, From>;

struct Instruction {
  std::string name;      // as written
  std::string original;  // the logical line
  int first_line = 0, last_line = 0;
  Meaning meaning;
};

// Throws InvalidArgument: unknown instruction or flag, wrong number of arguments.
Instruction parse_instruction(const Node& node);

// "RUN --device".
struct DeviceRequest {
  std::string name;
  bool required = false;
};
DeviceRequest parse_device(std::string_view text);

// Nanoseconds of a HEALTHCHECK option; 0 or at least one millisecond.
std::int64_t parse_health_interval(std::string_view flag, std::string_view text);

enum class MountType { Bind, Cache, Tmpfs, Secret, Ssh };
enum class CacheSharing { Shared, Private, Locked };

// One "RUN --mount".
struct MountRequest {
  MountType type = MountType::Bind;
  std::string from, source, target, id;
  bool read_only = true;
  bool required = false;
  std::int64_t size = 0;
  std::optional<CacheSharing> sharing;
  std::optional<std::string> env;
  std::optional<std::uint32_t> mode, uid, gid;
};
// `expander` is applied to each value after the text was split, so that a variable cannot bring in options of its own.
using Expander = std::function<std::string(std::string_view)>;
MountRequest parse_mount(std::string_view text, const Expander& expander = {});
// The stage or image that "from=" names, without looking at the rest; throws when that is a variable.
std::string mount_from(std::string_view text);

// EXPOSE words, ranges and address prefixes included: {"80/tcp", "81/tcp"}.
std::vector<std::string> expand_ports(const std::vector<std::string>& words);

namespace detail {

struct FlagRule {
  std::string name;
  enum class Kind { Switch, Text, Texts } kind = Kind::Text;
};
// Name to values. Throws on unknown, repeated and malformed flags.
std::map<std::string, std::vector<std::string>> parse_flags(const std::vector<std::string>& words,
                                                            const std::vector<FlagRule>& rules);

}  // namespace detail

}  // namespace proa::build
