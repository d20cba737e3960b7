#include "libcommon/config/hints.h"

#include <fmt/core.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <exception>

#include "libcommon/base/bytes.h"
#include "libcommon/config/paths.h"

namespace proa::config {
namespace {

// Messages name what was written by its place in the store; here is where that is. The free space is that of now: what
// failed has given its own back.
std::string no_space() {
  const os::Path& data = chosen_data();
  struct statvfs info {};
  if (data.empty() || ::statvfs(data.c_str(), &info) != 0) return "make room on the disk that is written to";
  const auto free = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
  const std::string inodes =
      info.f_files != 0 && info.f_favail < 1000 ? fmt::format(" and {} inodes", info.f_favail) : "";
  return fmt::format(
      "the store in {} has {}{} left; `proa system prune` removes what nothing uses, --root takes another", data,
      human_size(free), inodes);
}

}  // namespace

std::string hint_for(const Error& error) {
  try {
    if (error.code() == ErrorCode::NoSpace) return no_space();
    if (error.code() == ErrorCode::Corrupt)
      return "what was read is damaged: fetch it again; if it is in the store, `proa system check --repair` mends it";
    if (error.error_number() == EMFILE) return "allow more open files: ulimit -n";
    return {};
  } catch (const std::exception&) {
    return {};  // the error itself is what has to be told
  }
}

}  // namespace proa::config
