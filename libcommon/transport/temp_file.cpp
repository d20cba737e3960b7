#include "libcommon/transport/temp_file.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/os/file.h"

namespace proa::transport {

std::string temp_folder() {
  const char* wished = std::getenv("TMPDIR");
  return wished != nullptr && *wished == '/' ? wished : "/var/tmp";
}

os::UniqueFd nameless_temp_file() {
  const std::string folder = temp_folder();
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return os::UniqueFd(fd);
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    throw system_error(fmt::format("create a temporary file in {}", folder));
  const std::string name = os::join(folder, ".proa-" + random_hex(16));
  auto file = os::open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  ::unlink(name.c_str());
  return file;
}

}  // namespace proa::transport
