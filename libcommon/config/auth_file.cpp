#include "libcommon/config/auth_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/lock.h"

namespace proa::config {
namespace {

using OrderedJson = nlohmann::ordered_json;  // a file that we rewrite keeps its order

constexpr std::uint64_t kMaxAuthFile = 1 << 20;

// Links are followed (secrets mounted by orchestrators are links), but what is at their end must be an ordinary file.
std::optional<std::string> real_path(const std::string& path) {
  char* found = ::realpath(path.c_str(), nullptr);
  if (found == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(fmt::format("open {}", path));
  }
  std::string result = found;
  ::free(found);
  return result;
}

// Two logins at once must not lose one another: the folder is locked from reading to renaming.
os::FileLock lock_folder(const std::string& folder) {
  for (int tries = 0; tries < 200; ++tries) {
    if (auto lock =
            os::FileLock::try_lock(os::open(folder, O_RDONLY | O_DIRECTORY), os::FileLock::Mode::Exclusive, folder)) {
      return *std::move(lock);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw Error(ErrorCode::InUse, fmt::format("{}: another program keeps it locked", folder));
}

void write_auth_file(const std::string& path, const OrderedJson& json) {
  const std::string temporary = fmt::format("{}.{}", path, random_hex(8));
  const auto fd = os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  try {
    os::write_all(fd.get(), json.dump(1, '\t') + "\n", temporary);
    if (::fsync(fd.get()) != 0) throw system_error(fmt::format("fsync {}", temporary));
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      throw system_error(fmt::format("rename {} to {}", temporary, path));
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

std::optional<OrderedJson> read_auth_file(const std::string& path) {
  const auto real = real_path(path);
  if (!real) return std::nullopt;
  const auto fd = os::open_regular(*real, kMaxAuthFile);
  const std::string text = os::read_fd(fd.get(), kMaxAuthFile, path);
  if (trim(text).empty()) return OrderedJson::object();
  // The parser's own message would quote the file.
  OrderedJson json = read_ordered_json(text);
  if (!json.is_object()) throw Error(ErrorCode::InvalidArgument, fmt::format("{}: not a JSON object", path));
  return json;
}

bool edit_auth_file(std::string path, const std::function<bool(OrderedJson&)>& change) {
  if (const auto real = real_path(path)) path = *real;  // a link stays a link
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  os::make_dirs(folder, 0700);
  const auto lock = lock_folder(folder);
  OrderedJson json = read_auth_file(path).value_or(OrderedJson::object());
  if (!change(json)) return false;
  write_auth_file(path, json);
  return true;
}

}  // namespace proa::config
