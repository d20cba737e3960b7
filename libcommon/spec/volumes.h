// -v, --volume, --mount and --tmpfs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

enum class MountType { Volume, Bind, Tmpfs, Image, Devpts, Ramfs };
std::string_view mount_type_name(MountType type);

// "private", "rslave", ...
bool is_propagation(std::string_view word);

// One mount as asked for. Paths are texts: nothing was looked up.
struct Mount {
  MountType type = MountType::Volume;
  std::string source;  // Bind: a path; Volume: its name, empty for an anonymous one; Image: a reference
  std::string target;  // parse_volume and parse_mount: absolute and clean
  bool read_only = false;
  bool read_write = false;  // asked for by a word of its own: an image is read-only without it

  std::string propagation;           // Bind: "rprivate", "slave", ...; empty when not asked for
  std::vector<std::string> options;  // of -v: "z", "Z", "U", "exec", "nosuid", ... (not ro, rw, propagation, nocopy)
  bool non_recursive = false;        // Bind
  bool create_source = false;  // Bind: make a directory where the source is missing (always so for -v with docker)
  bool read_only_recursive = false, read_only_non_recursive = false;  // Bind: what read_only means for mounts below
  bool no_copy = false;  // Volume: do not fill a new volume with what the image has there
  std::string subpath;   // Volume, Image
  std::string driver;    // Volume
  std::map<std::string, std::string> driver_options, labels;  // Volume
  std::optional<std::int64_t> tmpfs_size;                     // Tmpfs: bytes
  std::optional<std::uint32_t> tmpfs_mode;                    // Tmpfs

  bool operator==(const Mount&) const = default;
};

// The sections of -v as docker's client reads it, on any system: "[SOURCE:]TARGET[:OPTIONS]", drive letters understood.
// Nothing is cleaned.
Mount split_volume(std::string_view text);

// -v on Linux: a source that begins with '/', '.' or '~' is a path (made absolute with `working_dir`; '~' stays a name
// that is refused), any other a volume's name. InvalidArgument: a relative or empty target, "/" as target,
// contradicting or unknown options.
Mount parse_volume(std::string_view text, std::string_view working_dir);

// --mount: "type=bind,source=/a,target=/b,readonly", CSV quoting included.
Mount parse_mount(std::string_view text, std::string_view working_dir);

// --tmpfs: "PATH[:OPTIONS]"; size and mode go to their fields, the rest to `options`.
Mount parse_tmpfs(std::string_view text);

// Names of volumes, containers, networks: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 255. InvalidArgument names `what`.
std::string check_object_name(std::string_view what, std::string_view name);

// Lexical clean-up as Go's path.Clean: "/a//b/../c/" -> "/a/c".
std::string clean_path(std::string_view path);

}  // namespace proa::spec
