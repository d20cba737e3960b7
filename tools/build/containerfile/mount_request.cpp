#include <fmt/core.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/command.h"
#include "libcommon/spec/csv.h"
#include "tools/build/containerfile/instruction.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

const char* type_name(MountType type) {
  switch (type) {
    case MountType::Bind:
      return "bind";
    case MountType::Cache:
      return "cache";
    case MountType::Tmpfs:
      return "tmpfs";
    case MountType::Secret:
      return "secret";
    case MountType::Ssh:
      return "ssh";
  }
  return "";
}

MountType parse_type(const std::string& text) {
  for (MountType type : {MountType::Bind, MountType::Cache, MountType::Tmpfs, MountType::Secret, MountType::Ssh}) {
    if (to_lower(text) == type_name(type)) return type;
  }
  fail(fmt::format("unsupported mount type \"{}\"", escape_control(text)));
}

CacheSharing parse_sharing(const std::string& text) {
  std::string name = to_lower(text);
  if (name == "shared") return CacheSharing::Shared;
  if (name == "private") return CacheSharing::Private;
  if (name == "locked") return CacheSharing::Locked;
  fail(fmt::format("unsupported sharing value \"{}\"", escape_control(text)));
}

std::uint32_t parse_number(std::string_view key, const std::string& text, int base) {
  auto value = parse_integer<std::uint32_t>(text, base);
  if (!value || *value == UINT32_MAX) fail(fmt::format("invalid value {} for {}", escape_control(text), key));
  return *value;
}

class Parser {
 public:
  explicit Parser(const Expander& expander) : expander_(expander) {}

  MountRequest parse(std::string_view text) {
    for (const std::string& field : spec::split_csv(text, "--mount")) {
      auto pair = cut(field, "=");
      std::string key = to_lower(pair ? pair->first : std::string_view(field));
      if (!pair && key != "readonly" && key != "ro" && key != "readwrite" && key != "rw" && key != "required" &&
          key != "z") {
        fail(fmt::format("invalid field '{}' must be a key=value pair", escape_control(field)));
      }
      std::string value(pair ? pair->second : "true");
      set(key, pair && expander_ ? expander_(value) : value, field);
    }
    check();
    return std::move(mount_);
  }

 private:
  void only_for(const std::string& key, bool fits) {
    if (!fits) fail(fmt::format("unexpected key '{}' for mount type '{}'", key, type_name(mount_.type)));
  }
  bool secret() const { return mount_.type == MountType::Secret || mount_.type == MountType::Ssh; }

  void set(const std::string& key, const std::string& value, const std::string& field) {
    if (key == "type") {
      mount_.type = parse_type(value);
    } else if (key == "from") {
      mount_.from = value;
    } else if (key == "source" || key == "src") {
      mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = value;
    } else if (key == "readonly" || key == "ro" || key == "readwrite" || key == "rw") {
      mount_.read_only = (key == "readonly" || key == "ro") ? cli::parse_bool(value) : !cli::parse_bool(value);
      read_only_given_ = true;
    } else if (key == "id") {
      mount_.id = value;
    } else if (key == "sharing") {
      mount_.sharing = parse_sharing(value);
    } else if (key == "required") {
      only_for(key, secret());
      mount_.required = cli::parse_bool(value);
    } else if (key == "size") {
      only_for(key, mount_.type == MountType::Tmpfs);
      auto size = parse_size_1024(value);
      if (!size || *size < 0) fail(fmt::format("invalid value for size: {}", escape_control(value)));
      mount_.size = *size;
    } else if (key == "env") {
      mount_.env = value;
    } else if (key == "mode") {
      mount_.mode = parse_number(key, value, 8);
    } else if (key == "uid") {
      mount_.uid = parse_number(key, value, 10);
    } else if (key == "gid") {
      mount_.gid = parse_number(key, value, 10);
    } else if (key != "z") {  // SELinux relabelling has no meaning for what a step sees
      fail(fmt::format("unexpected key '{}' in '{}'", escape_control(key), escape_control(field)));
    }
  }

  void check() {
    bool files = secret() || mount_.type == MountType::Cache;
    if (!files && (mount_.mode || mount_.uid || mount_.gid)) {
      fail(fmt::format("mode, uid and gid are not allowed for \"{}\" type mounts", type_name(mount_.type)));
    }
    if (!read_only_given_) mount_.read_only = mount_.type != MountType::Cache && mount_.type != MountType::Tmpfs;
    if (mount_.sharing && mount_.type != MountType::Cache) {
      fail(fmt::format("invalid cache sharing set for {} mount", type_name(mount_.type)));
    }
    if (mount_.env && mount_.type != MountType::Secret) fail("env is only for secret mounts");
    if (mount_.type == MountType::Secret) {
      if (!mount_.from.empty()) fail("secret mount should not have a from");
      if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
        fail("invalid secret mount. one of source, target required");
      }
      if (!mount_.source.empty() && !mount_.id.empty()) fail("both source and id can't be set");
    }
    if (mount_.target.empty() &&
        (mount_.type == MountType::Bind || mount_.type == MountType::Cache || mount_.type == MountType::Tmpfs)) {
      fail(fmt::format("a {} mount needs a target", type_name(mount_.type)));
    }
  }

  const Expander& expander_;
  MountRequest mount_;
  bool read_only_given_ = false;
};

}  // namespace

MountRequest parse_mount(std::string_view text, const Expander& expander) {
  While parsing{[&] { return fmt::format("--mount={}", escape_control(text)); }};
  return Parser(expander).parse(text);
}

std::string mount_from(std::string_view text) {
  std::string from;
  for (const std::string& field : spec::split_csv(text, "--mount")) {
    auto pair = cut(field, "=");
    if (!pair || to_lower(pair->first) != "from") continue;
    std::size_t dollar = pair->second.find('$');
    if (dollar != std::string_view::npos && dollar + 1 < pair->second.size()) {
      fail("'from' doesn't support variable expansion, define alias stage instead");
    }
    from = pair->second;
  }
  return from;
}

}  // namespace proa::build
