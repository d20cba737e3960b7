#include "tools/build/sources/http_fetch.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "tools/build/sources/git_ref.h"
#include "tools/build/sources/helper.h"

namespace proa::build {

bool is_http_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

std::string name_in_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  auto scheme = cut(url, "://");
  std::string_view rest = scheme ? scheme->second : url;
  std::size_t slash = rest.find_last_of('/');
  return slash == std::string_view::npos ? "" : std::string(rest.substr(slash + 1));
}

FetchedFile fetch_url(const std::string& url, const os::Path& path) {
  os::SpawnPlan plan;
  plan.program = copy_program();
  plan.arguments = {"fetch", "--", url, path};
  std::string text = output_of(plan, "fetching " + escape_control(without_credentials(url)));
  auto json = read_json(text);
  if (!json.is_object()) throw Error(ErrorCode::Internal, "proa-copy fetch gave no answer");
  FetchedFile file{json.value("name", ""), json.value("type", ""), json.value("modified", std::int64_t{0})};
  if (file.name.empty() || file.name == "." || file.name == "..") file.name = name_in_url(url);
  return file;
}

}  // namespace proa::build
