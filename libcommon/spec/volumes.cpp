#include "libcommon/spec/volumes.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::spec {
namespace {

const std::set<std::string, std::less<>> kPropagations = {"private", "rprivate", "shared",
                                                          "rshared", "slave",    "rslave"};
// What podman and docker take after the second colon beside ro, rw, propagation and nocopy.
const std::set<std::string, std::less<>> kMountOptions = {
    "z",     "Z",    "U",     "O",    "exec",  "noexec", "suid",       "nosuid",   "dev",
    "nodev", "copy", "idmap", "bind", "rbind", "cached", "consistent", "delegated"};

[[noreturn]] void refuse_volume(std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid volume \"{}\": {}", escape_control(text), reason),
              "expected [SOURCE:]TARGET[:OPTIONS]");
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "c:" and "c:\x": the colon belongs to the path.
bool is_drive(std::string_view section) { return section.size() == 1 && is_letter(section[0]); }

bool is_local_path(std::string_view source) {
  return source.starts_with('.') || source.starts_with('/') || source.starts_with('~') ||
         (source.size() > 1 && source[1] == ':');
}

// Colons part the sections, those after a drive letter excepted.
std::vector<std::string> split_with_drives(std::string_view text) {
  std::vector<std::string> sections;
  std::string section;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    bool end = i == text.size();
    if (!end && (text[i] != ':' || is_drive(section))) {
      section += text[i];
      continue;
    }
    if (section.empty()) refuse_volume(text, "an empty section between colons");
    sections.push_back(std::move(section));
    section.clear();
  }
  return sections;
}

// Words that exclude one another.
class Once {
 public:
  explicit Once(std::string_view text) : text_(text) {}
  void set(std::string& slot, const std::string& word) {
    if (!slot.empty())
      refuse_volume(text_, fmt::format("options {} and {} exclude each other", slot, escape_control(word)));
    slot = word;
  }

 private:
  std::string_view text_;
};

void apply_volume_options(std::string_view options, std::string_view text, Mount& mount) {
  Once once(text);
  std::string access, label, copy, consistency;
  for (const auto& word : split(options, ',')) {
    if (word == "ro" || word == "rw") {
      once.set(access, word);
    } else if (is_propagation(word)) {
      once.set(mount.propagation, word);
    } else if (word == "nocopy" || word == "copy") {
      once.set(copy, word);
    } else if (word.starts_with("upperdir=/") || word.starts_with("workdir=/")) {
      mount.options.push_back(word);
    } else if (kMountOptions.contains(word)) {
      if (word == "z" || word == "Z") once.set(label, word);
      if (word == "cached" || word == "consistent" || word == "delegated") {
        once.set(consistency, word);
      } else {
        mount.options.push_back(word);
      }
    } else {
      refuse_volume(text, fmt::format("unknown option \"{}\"", escape_control(word)));
    }
  }
  mount.read_only = access == "ro";
  mount.read_write = access == "rw";
  mount.no_copy = copy == "nocopy";
  if (mount.type == MountType::Volume && !mount.propagation.empty())
    refuse_volume(text, "propagation is for paths of the host");
  if (mount.type == MountType::Bind && mount.no_copy) refuse_volume(text, "nocopy is for volumes");
}

}  // namespace

bool is_propagation(std::string_view word) { return kPropagations.contains(word); }

std::string_view mount_type_name(MountType type) {
  switch (type) {
    case MountType::Bind:
      return "bind";
    case MountType::Tmpfs:
      return "tmpfs";
    case MountType::Image:
      return "image";
    case MountType::Devpts:
      return "devpts";
    case MountType::Ramfs:
      return "ramfs";
    case MountType::Volume:
      break;
  }
  return "volume";
}

std::string clean_path(std::string_view path) {
  bool absolute = path.starts_with('/');
  std::vector<std::string> kept;
  for (const auto& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!absolute) {
      kept.push_back(part);
    }
  }
  std::string clean = (absolute ? "/" : "") + join(kept, "/");
  return clean.empty() ? "." : clean;
}

std::string check_object_name(std::string_view what, std::string_view name) {
  auto is_alnum = [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  bool good =
      !name.empty() && name.size() <= 255 && is_alnum(name[0]) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
  if (!good) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("invalid {} name \"{}\"", what, escape_control(name.substr(0, 300))),
                "names begin with a letter or digit and hold letters, digits, '_', '.' and '-'");
  }
  return std::string(name);
}

Mount split_volume(std::string_view text) {
  if (text.empty()) refuse_volume(text, "empty");
  Mount mount;
  if (text.size() <= 2) {
    mount.target = text;
    return mount;
  }
  auto sections = split_with_drives(text);
  if (sections.size() > 3) refuse_volume(text, "too many colons");
  if (sections.size() == 1) {
    mount.target = sections[0];
    return mount;
  }
  mount.source = sections[0];
  mount.target = sections[1];
  if (is_local_path(mount.source)) mount.type = MountType::Bind;
  if (sections.size() == 3) {
    for (const auto& word : split(sections[2], ',')) {
      if (word == "ro") mount.read_only = true;
      if (is_propagation(word)) mount.propagation = word;
      if (word == "nocopy") mount.no_copy = true;
    }
  }
  return mount;
}

Mount parse_volume(std::string_view text, std::string_view working_dir) {
  auto sections = split(text, ':');
  if (sections.size() > 3) refuse_volume(text, "too many colons");
  if (std::any_of(sections.begin(), sections.end(), [](const std::string& section) { return section.empty(); })) {
    refuse_volume(text, text.empty() ? "empty" : "an empty section between colons");
  }
  if (text.find('\0') != std::string_view::npos) refuse_volume(text, "a NUL byte");
  Mount mount;
  mount.target = sections.size() == 1 ? sections[0] : sections[1];
  if (sections.size() > 1) mount.source = sections[0];
  if (mount.source.starts_with('/') || mount.source.starts_with('.')) {
    mount.type = MountType::Bind;
    mount.create_source = true;
    mount.source =
        clean_path(mount.source.starts_with('/') ? mount.source : fmt::format("{}/{}", working_dir, mount.source));
  } else if (mount.source.starts_with('~')) {
    refuse_volume(text, "'~' is the shell's; it was not expanded");
  }
  if (!mount.target.starts_with('/')) {
    refuse_volume(text,
                  fmt::format("the path in the container, \"{}\", is not absolute", escape_control(mount.target)));
  }
  mount.target = clean_path(mount.target);
  if (mount.target == "/") refuse_volume(text, "\"/\" of the container cannot be a mount");
  if (sections.size() == 3) apply_volume_options(sections[2], text, mount);
  return mount;
}

Mount parse_tmpfs(std::string_view text) {
  auto parts = cut(text, ":");
  Mount mount;
  mount.type = MountType::Tmpfs;
  mount.target = clean_path(parts ? parts->first : text);
  if (!text.starts_with('/') || mount.target == "/") refuse_volume(text, "the path in the container is not absolute");
  if (!parts || parts->second.empty()) return mount;
  for (const auto& word : split(parts->second, ',')) {
    auto pair = cut(word, "=");
    if (pair && pair->first == "size" && !pair->second.ends_with('%')) {
      mount.tmpfs_size = parse_size_1024(pair->second);
      if (!mount.tmpfs_size) refuse_volume(text, "the size is not one");
    } else if (pair && pair->first == "mode") {
      mount.tmpfs_mode = parse_integer<std::uint32_t>(pair->second, 8);
      if (!mount.tmpfs_mode || *mount.tmpfs_mode > 07777) refuse_volume(text, "the mode is not one");
    } else if (word == "ro") {
      mount.read_only = true;
    } else if (word != "rw" && !word.empty()) {
      mount.options.push_back(word);
    }
  }
  return mount;
}

}  // namespace proa::spec
