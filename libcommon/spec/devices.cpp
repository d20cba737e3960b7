#include "libcommon/spec/devices.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/volumes.h"

namespace proa::spec {
namespace {

[[noreturn]] void refuse_device(std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid device \"{}\": {}", escape_control(text), reason),
              "expected HOST_PATH[:CONTAINER_PATH][:ACCESS], such as /dev/fuse:/dev/fuse:rw");
}

bool is_access(std::string_view text) {
  if (text.empty() || text.size() > 3) return false;
  std::string letters(text);
  std::sort(letters.begin(), letters.end());
  bool repeated = std::adjacent_find(letters.begin(), letters.end()) != letters.end();
  return !repeated && letters.find_first_not_of("rwm") == std::string::npos;
}

}  // namespace

Device parse_device(std::string_view text) {
  auto sections = split(text, ':');
  if (sections.size() > 3 || sections[0].empty()) refuse_device(text, "malformed");
  Device device{.host_path = sections[0], .container_path = sections[0], .access = ""};
  if (sections.size() == 3 && !is_access(sections[2])) refuse_device(text, "the access is not made of r, w and m");
  if (sections.size() == 2 && is_access(sections[1])) {
    device.access = sections[1];
  } else if (sections.size() > 1) {
    device.container_path = sections[1];
    if (sections.size() == 3) device.access = sections[2];
  }
  if (!device.container_path.starts_with('/')) refuse_device(text, "the path in the container is not absolute");
  device.container_path = clean_path(device.container_path);
  return device;
}

}  // namespace proa::spec
