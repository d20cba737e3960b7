#include "libcommon/archive/entry_path.h"

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::archive {

std::string normalize_entry_path(std::string_view name) {
  std::string path;
  path.reserve(name.size());
  std::string_view rest = name;
  auto shown = [&] { return "archive entry '" + escape_control(name.substr(0, 200)) + "'"; };
  while (!rest.empty()) {
    auto slash = rest.find('/');
    auto part = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") throw Error(ErrorCode::Corrupt, shown() + " has '..' in its path");
    if (part.size() > kMaxComponent)
      throw Error(ErrorCode::LimitExceeded, shown() + " has a name of more than 255 bytes");
    if (!path.empty()) path += '/';
    path += part;
  }
  if (path.size() > kMaxPath) throw Error(ErrorCode::LimitExceeded, shown() + " has a path of more than 4095 bytes");
  return path;
}

SplitPath split_entry_path(std::string_view path) {
  auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace proa::archive
