// What servers say in headers and error bodies, and what files of registries say: read without trouble, and nothing
// read in two ways.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "libcommon/base/error.h"
#include "libcommon/config/registries.h"
#include "libcommon/http/url.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/challenge.h"
#include "libcommon/registry/retry.h"

namespace {

void check_url(const std::optional<proa::http::Url>& url) {
  if (!url) return;
  const auto again = proa::http::Url::try_parse(url->str());
  if (!again || !again->same_origin(*url) || again->str() != url->str()) std::abort();
  if (url->str().find_first_of(" \r\n") != std::string::npos || url->host.find_first_of("@/\\") != std::string::npos)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace proa;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto& challenge : registry::parse_challenges(text)) {
    if (challenge.scheme.empty()) std::abort();
  }
  check_url(http::Url::try_parse(text));
  const auto base = http::Url::parse("https://registry.example:5000/v2/app/blobs/uploads/?n=1");
  check_url(base.resolve(text));

  http::Response response;
  response.status = 400;
  response.headers = {{"Retry-After", text}};
  response.body = std::make_unique<io::MemorySource>(text);
  (void)registry::retry_after(response);
  response.headers = {{"Link", text}};
  if (const auto next = registry::next_page(response, "tags/list")) check_url(base.resolve(*next));
  if (registry::words_of(response).find_first_of(std::string_view("\x1b\r\n\0", 4)) != std::string::npos) std::abort();

  // toml++ 3.3 calls __builtin_unreachable for letters beyond ASCII where it looks for white space. It tells "no white
  // space" all the same, so this is no danger to users, but UBSan stops at it.
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) return 0;
  try {
    const auto registries = config::Registries::parse(text, "fuzz");
    for (const char* name : {"docker.io/library/x:1", "a.example.com/x", "localhost:5000/a/b"}) {
      (void)registries.endpoints(oci::Reference::parse_normalized(name));
    }
    (void)registries.candidates("x:1");
  } catch (const Error&) {
  }
  return 0;
}
