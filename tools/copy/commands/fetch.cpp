#include <fcntl.h>
#include <fmt/core.h>

#include <array>
#include <ctime>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/client.h"
#include "libcommon/os/file.h"
#include "tools/copy/commands.h"

namespace proa::copy {
namespace {

struct FetchOptions {
  std::vector<std::string> positionals;
};

// "Wed, 21 Oct 2015 07:28:00 GMT", RFC 9110 section 5.6.7; 0 when it is no such date.
std::int64_t http_date(std::string_view text) {
  std::tm time{};
  const std::string copy(text);
  if (::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time) == nullptr) return 0;
  return ::timegm(&time);
}

// The name that a server suggests: the file name alone, whatever folders come before it.
std::string suggested_name(std::string_view header) {
  const auto found = cut(header, "filename=");
  if (!found) return {};
  std::string name(trim(found->second.substr(0, found->second.find(';'))));
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  return name.substr(name.find_last_of('/') + 1);
}

cli::ExitCode fetch(cli::Context&, const FetchOptions& options) {
  const std::string &url = options.positionals[0], &path = options.positionals[1];
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    throw Error(ErrorCode::InvalidArgument, "only http:// and https:// can be fetched");
  const http::Client client({.tls = {}, .timeouts = {}, .user_agent = "proa"});
  const auto response =
      client.send({.method = "GET", .url = url, .headers = {}, .body = {}, .timeouts = {}}, std::stop_token());
  if (response.status != 200)
    throw Error(response.status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
                fmt::format("the server answers {}", response.status));
  io::FdSink file(os::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), path);
  io::copy(*response.body, file);
  const nlohmann::json answer = {
      {"name", suggested_name(response.header("Content-Disposition").value_or(std::string_view()))},
      {"type", response.header("Content-Type").value_or(std::string_view())},
      {"modified", http_date(response.header("Last-Modified").value_or(std::string_view()))}};
  fmt::print("{}\n", json_text(answer));
  return 0;
}

}  // namespace

// For proa-build, which does not link the network.
cli::Command fetch_command() {
  return cli::command<FetchOptions>("fetch", "Fetch a file by HTTP into a new file; say its name and time")
      .positionals("URL FILE", &FetchOptions::positionals, 2, 2)
      .hidden()
      .runs(fetch);
}

}  // namespace proa::copy
