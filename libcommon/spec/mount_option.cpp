// --mount key=value,...
#include <fmt/core.h>

#include <set>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/csv.h"
#include "libcommon/spec/volumes.h"

namespace proa::spec {
namespace {

const std::set<std::string, std::less<>> kFlags = {"exec", "noexec", "suid", "nosuid", "dev", "nodev"};

[[noreturn]] void refuse_mount(std::string reason) {
  throw Error(ErrorCode::InvalidArgument, "invalid mount: " + std::move(reason));
}

bool parse_switch(std::string_view key, const std::optional<std::string_view>& value) {
  if (!value || *value == "true" || *value == "1") return true;
  if (*value == "false" || *value == "0") return false;
  refuse_mount(fmt::format("{}: \"{}\" is none of true, 1, false, 0", key, escape_control(*value)));
}

class MountParser {
 public:
  explicit MountParser(std::string_view working_dir) : working_dir_(working_dir) {}

  void field(const std::string& text) {
    auto pair = cut(text, "=");
    std::string_view key = pair ? pair->first : text;
    auto value = pair ? std::optional(pair->second) : std::nullopt;
    if (trim(key) != key || (value && trim(*value) != *value))
      refuse_mount(fmt::format("white space in \"{}\"", escape_control(text)));
    if (value && value->empty()) refuse_mount(fmt::format("{}: the value is empty", escape_control(key)));
    if (apply_switch(key, value)) return;
    if (!value) refuse_mount(fmt::format("\"{}\" is not KEY=VALUE", escape_control(text)));
    if (!apply_common(key, *value) && !apply_special(key, *value))
      refuse_mount(fmt::format("unknown option \"{}\"", escape_control(key)));
  }

  Mount finish() {
    if (mount_.target.empty()) refuse_mount("there is no target");
    if (!mount_.target.starts_with('/'))
      refuse_mount(fmt::format("the target \"{}\" is not absolute", escape_control(mount_.target)));
    mount_.target = clean_path(mount_.target);
    if (mount_.target == "/") refuse_mount("\"/\" of the container cannot be a mount");
    for (const auto& family : families_) {
      if (family != mount_type_name(mount_.type)) {
        refuse_mount(fmt::format("{}-* options do not go with type {}", family, mount_type_name(mount_.type)));
      }
    }
    if (mount_.type == MountType::Bind) finish_bind();
    if (mount_.type == MountType::Image && mount_.source.empty()) refuse_mount("an image mount needs a source");
    const bool sourceless =
        mount_.type == MountType::Tmpfs || mount_.type == MountType::Devpts || mount_.type == MountType::Ramfs;
    if (sourceless && !mount_.source.empty()) {
      refuse_mount(fmt::format("a {} has no source", mount_type_name(mount_.type)));
    }
    const bool parted = mount_.type == MountType::Volume || mount_.type == MountType::Image;
    if (!mount_.subpath.empty() && !parted) {
      refuse_mount(fmt::format("a {} has no subpath", mount_type_name(mount_.type)));
    }
    return std::move(mount_);
  }

 private:
  void finish_bind() {
    if (mount_.source.starts_with('.')) mount_.source = clean_path(fmt::format("{}/{}", working_dir_, mount_.source));
    if (!mount_.source.starts_with('/'))
      refuse_mount(fmt::format("the source \"{}\" is not an absolute path", escape_control(mount_.source)));
    bool recursive_choice = mount_.read_only_recursive || mount_.read_only_non_recursive;
    if (recursive_choice && !mount_.read_only) refuse_mount("this value of bind-recursive needs readonly");
    if (mount_.read_only_recursive && mount_.propagation != "rprivate") {
      refuse_mount("bind-recursive=readonly needs bind-propagation=rprivate");
    }
  }

  // Options that may stand without a value.
  bool apply_switch(std::string_view key, const std::optional<std::string_view>& value) {
    if (key == "readonly" || key == "ro") {
      mount_.read_only = parse_switch(key, value);
    } else if (key == "rw" || key == "readwrite") {
      mount_.read_write = parse_switch(key, value);
      mount_.read_only = !mount_.read_write;
    } else if (key == "tmpcopyup" || key == "notmpcopyup") {
      families_.insert("tmpfs");
      if (parse_switch(key, value) && key == "tmpcopyup") mount_.options.emplace_back(key);
    } else if (key == "bind-nonrecursive") {
      families_.insert("bind");
      mount_.non_recursive = parse_switch(key, value);
    } else if (key == "bind-create-src") {
      families_.insert("bind");
      mount_.create_source = parse_switch(key, value);
    } else if (key == "volume-nocopy") {
      families_.insert("volume");
      mount_.no_copy = parse_switch(key, value);
    } else if (key == "U" || key == "chown") {
      if (parse_switch(key, value)) mount_.options.emplace_back("U");
    } else if (kFlags.contains(key) && !value) {
      mount_.options.emplace_back(key);
    } else {
      return false;
    }
    return true;
  }

  bool apply_common(std::string_view key, std::string_view value) {
    if (key == "type") {
      mount_.type = parse_type(value);
    } else if (key == "source" || key == "src") {
      mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = value;
    } else if (key == "subpath") {
      mount_.subpath = value;
    } else if ((key == "uid" || key == "gid" || key == "mode" || key == "max") && parse_integer<unsigned>(value)) {
      families_.insert("devpts");
      mount_.options.push_back(fmt::format("{}={}", key, value));
    } else if (key == "relabel" && (value == "shared" || value == "private")) {
      mount_.options.emplace_back(value == "shared" ? "z" : "Z");
    } else {
      return key == "consistency";  // of Docker Desktop; means nothing on Linux
    }
    return true;
  }

  static MountType parse_type(std::string_view text) {
    for (auto type : {MountType::Volume, MountType::Bind, MountType::Tmpfs, MountType::Image, MountType::Devpts,
                      MountType::Ramfs}) {
      if (to_lower(text) == mount_type_name(type)) return type;
    }
    refuse_mount(fmt::format("unknown type \"{}\"", escape_control(text)));
  }

  // Options of one type: the part before the hyphen says of which.
  bool apply_special(std::string_view key, std::string_view value) {
    auto parts = cut(key, "-");
    if (!parts) return false;
    auto [family, name] = *parts;
    bool known = (family == "bind" && apply_bind(name, value)) || (family == "volume" && apply_volume(name, value)) ||
                 (family == "tmpfs" && apply_tmpfs(name, value)) || (family == "image" && name == "subpath");
    if (known) families_.emplace(family);
    if (family == "image" && known) mount_.subpath = value;
    return known;
  }

  bool apply_bind(std::string_view name, std::string_view value) {
    if (name == "propagation") {
      mount_.propagation = to_lower(value);
      if (!is_propagation(mount_.propagation))
        refuse_mount(fmt::format("unknown propagation \"{}\"", escape_control(value)));
      return true;
    }
    if (name != "recursive") return false;
    mount_.non_recursive = value == "disabled";
    mount_.read_only_non_recursive = value == "writable";
    mount_.read_only_recursive = value == "readonly";
    if (value != "enabled" && value != "disabled" && value != "writable" && value != "readonly") {
      refuse_mount("bind-recursive is none of enabled, disabled, writable, readonly");
    }
    return true;
  }

  bool apply_volume(std::string_view name, std::string_view value) {
    auto pair = cut(value, "=");
    std::string key(pair ? pair->first : value);
    std::string assigned(pair ? pair->second : "");
    if (name == "opt") {
      mount_.driver_options[key] = assigned;
    } else if (name == "label") {
      if (!key.empty()) mount_.labels[key] = assigned;
    } else if (name == "driver") {
      mount_.driver = value;
    } else if (name == "subpath") {
      mount_.subpath = value;
    } else {
      return false;
    }
    return true;
  }

  bool apply_tmpfs(std::string_view name, std::string_view value) {
    if (name == "size") {
      mount_.tmpfs_size = parse_size_1024(value);
      if (!mount_.tmpfs_size) refuse_mount(fmt::format("tmpfs-size: \"{}\" is not a size", escape_control(value)));
    } else if (name == "mode") {
      mount_.tmpfs_mode = parse_integer<std::uint32_t>(value, 8);
      if (!mount_.tmpfs_mode || *mount_.tmpfs_mode > 07777)
        refuse_mount(fmt::format("tmpfs-mode: \"{}\" is not a mode", escape_control(value)));
    } else {
      return false;
    }
    return true;
  }

  std::string_view working_dir_;
  Mount mount_;
  std::set<std::string, std::less<>> families_;
};

}  // namespace

Mount parse_mount(std::string_view text, std::string_view working_dir) {
  if (text.find('\0') != std::string_view::npos) refuse_mount("a NUL byte");
  MountParser parser(working_dir);
  for (const auto& field : split_csv(text, "mount")) parser.field(field);
  return parser.finish();
}

}  // namespace proa::spec
