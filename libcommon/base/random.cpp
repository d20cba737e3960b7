#include "libcommon/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa {
namespace {

void fill(void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    ssize_t got = ::getrandom(at, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw system_error("getrandom");
    }
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace

std::string random_hex(std::size_t bytes) {
  std::string data(bytes, '\0');
  fill(data.data(), data.size());
  return to_hex(data.data(), data.size());
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  fill(&value, sizeof value);
  return value;
}

}  // namespace proa
