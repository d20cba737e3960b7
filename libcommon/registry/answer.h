// What an unwanted answer of a registry means.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/http/client.h"

namespace proa::registry {

// The registry's own words: "manifest unknown", "denied: requested access ...", or the bare status. Reads at most 64
// KiB; escaped.
std::string words_of(http::Response& response);

// Content-Type without parameters; types that say nothing about a manifest count as none.
std::string media_type_of(const http::Response& response);

// Where the next page of a list is (RFC 8288: Link: <URL>; rel="next"), as a target for the repository; nullopt: this
// was the last. `list` is the path of the present one below the repository: "tags/list".
std::optional<std::string> next_page(const http::Response& response, std::string_view list);

// As whom the registry was asked.
struct Asker {
  std::string user;        // empty: nobody
  bool is_proven = false;  // a token server has taken the password, so a refusal is not about that
};

// Throws NotFound (404), Unauthorized (401, 403; with the way to log in), Unavailable (408, 429, 5xx), else Io.
// `what`: "reading manifest 1.0 in example.com/app".
[[noreturn]] void throw_answer(http::Response& response, std::string_view what, std::string_view host,
                               const Asker& asker = {});

}  // namespace proa::registry
