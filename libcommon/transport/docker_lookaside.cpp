#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/client.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/docker_lookaside.h"
#include "libcommon/transport/signature_list.h"

namespace proa::transport {
namespace {

constexpr std::string_view kFileScheme = "file://";

// PATH@sha256=HEX, without the host: the URL says which registry it is for.
std::string folder_of(const oci::Reference& repository, const oci::Digest& manifest) {
  return fmt::format("{}@{}={}", repository.path(), manifest.algorithm_name(), manifest.hex());
}

std::optional<std::string> read_file(const std::string& path) {
  if (!os::exists(path)) return std::nullopt;
  const auto file = os::open_regular(path, kMaxStoredSignature);
  return os::read_fd(file.get(), kMaxStoredSignature, path);
}

std::optional<std::string> fetch(const http::Client& client, const std::string& url, std::stop_token stop) {
  http::Request request;
  request.url = url;
  auto response = client.send(request, std::move(stop));
  if (response.status == 404) return std::nullopt;
  if (response.status != 200)
    throw Error(ErrorCode::Unavailable, fmt::format("reading signature {}: status {}", url, response.status));
  return io::read_all(*response.body, kMaxStoredSignature, "signature " + url);
}

}  // namespace

std::optional<std::string> lookaside_folder(const std::string& url) {
  if (!url.starts_with(kFileScheme)) return std::nullopt;
  return url.substr(kFileScheme.size());
}

void read_lookaside(const std::string& url, const oci::Reference& repository, const oci::Digest& manifest,
                    SignatureList& list, std::stop_token stop) {
  const auto local = lookaside_folder(url);
  const auto base = os::join(local ? *local : url, folder_of(repository, manifest));
  // No credentials, and TLS as it should be: these servers are not the registry.
  std::optional<http::Client> client;
  if (!local) client.emplace(http::ClientOptions{});
  for (std::size_t number = 1;; ++number) {
    const auto place = fmt::format("{}/signature-{}", base, number);
    const auto stored = local ? read_file(place) : fetch(*client, place, stop);
    if (!stored) return;
    const While parsing{[&] { return "signature " + place; }};
    list.add(trust::Signature::parse(*stored));
  }
}

std::string add_to_lookaside(const std::string& folder, const oci::Reference& repository, const oci::Digest& manifest,
                             const trust::Signature& signature) {
  const auto place = os::join(folder, folder_of(repository, manifest));
  os::make_dirs(place, 0755);
  // Written aside and linked: a name that somebody else takes meanwhile makes link(2) fail, and the next is tried.
  const auto temporary = os::join(place, ".new-" + random_hex(8));
  const auto file = os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  const Defer remove([&]() noexcept { ::unlink(temporary.c_str()); });
  os::write_all(file.get(), signature.stored(), temporary);
  if (::fsync(file.get()) != 0) throw system_error("fsync " + temporary);
  for (std::size_t number = 1; number <= trust::kMaxSignatures; ++number) {
    auto path = fmt::format("{}/signature-{}", place, number);
    if (const auto present = read_file(path); present && trust::Signature::parse(*present) == signature) return path;
    if (::link(temporary.c_str(), path.c_str()) == 0) return path;
    if (errno != EEXIST) throw system_error("link " + path);
  }
  throw Error(ErrorCode::LimitExceeded, fmt::format("{} holds {} signatures already", place, trust::kMaxSignatures));
}

}  // namespace proa::transport
