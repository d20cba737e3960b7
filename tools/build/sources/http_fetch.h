// Files by HTTP, fetched by `proa-copy fetch`.
#pragma once

#include <cstdint>
#include <string>

#include "libcommon/os/file.h"

namespace proa::build {

bool is_http_url(std::string_view text);
// The last component of a URL's path; empty when it ends with a slash.
std::string name_in_url(std::string_view url);

struct FetchedFile {
  std::string name;           // as the server suggests; else as in the URL; may be empty
  std::string type;           // Content-Type
  std::int64_t modified = 0;  // seconds since 1970; 0: not said
};

// Into a new file (mode 0600). Throws Unavailable or NotFound; the URL is shown without credentials.
FetchedFile fetch_url(const std::string& url, const os::Path& path);

}  // namespace proa::build
