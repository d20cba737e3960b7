#include "libcommon/transport/docker_daemon.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/client.h"
#include "libcommon/http/url.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/docker_archive.h"
#include "libcommon/transport/temp_file.h"

namespace proa::transport {

namespace {

constexpr std::uint64_t kMaxAnswer = 16 << 20;
// An engine may say nothing until it has unpacked or packed a whole image.
constexpr std::chrono::minutes kPatience{60};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class Daemon {
 public:
  explicit Daemon(const OpenOptions& options) {
    host_ = options.daemon_host.empty() ? environment("DOCKER_HOST") : options.daemon_host;
    if (host_.empty()) host_ = "unix:///var/run/docker.sock";
    http::ClientOptions client;
    client.user_agent = "proa";
    client.timeouts.response = client.timeouts.stall = kPatience;
    client.timeouts.minimum_bytes = 1;
    const auto parts = cut(host_, "://");
    if (!parts || parts->second.empty()) unknown_host();
    if (parts->first == "unix") {
      client.unix_socket = std::string(parts->second);
      base_ = "http://localhost";
    } else if (parts->first == "http" || parts->first == "https" || parts->first == "tcp") {
      set_tcp(client, parts->first, std::string(parts->second), options.registry);
    } else {
      unknown_host();
    }
    client_ = std::make_unique<http::Client>(std::move(client));
  }

  http::Response send(const std::string& method, const std::string& target, http::StreamBody body,
                      const std::stop_token& stop) const {
    http::Request request{.method = method, .url = base_ + target, .headers = {}, .body = {}, .timeouts = {}};
    if (body.source != nullptr) {
      request.headers.emplace_back("Content-Type", "application/x-tar");
      request.body = body;
    }
    const While asking{[&] { return fmt::format("asking the engine at {}", host_); }};
    auto response = client_->send(request, stop);
    if (response.status >= 300) {
      const auto text = io::read_all(*response.body, kMaxAnswer, "answer of the engine");
      throw Error(response.status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
                  fmt::format("{} {}", response.status, message_of(text)));
    }
    return response;
  }

  // Whatever is not the expected object is shown as it is.
  static std::string message_of(const std::string& text) {
    const auto json = read_json(text);
    if (json.is_object() && json.contains("message") && json["message"].is_string())
      return escape_control(json["message"].get<std::string>());
    return escape_control(trim(text.substr(0, 300)));
  }

 private:
  [[noreturn]] void unknown_host() const {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no address of an engine", escape_control(host_)),
                "write unix:///path/to/socket, tcp://host:port, http://host:port or https://host:port");
  }

  // As docker's own client: tcp is encrypted where certificates or the variable ask for it.
  void set_tcp(http::ClientOptions& client, std::string_view scheme, std::string address,
               const RegistryOptions& options) {
    const auto folder = options.certificates.value_or(environment("DOCKER_CERT_PATH"));
    const bool asked = options.certificates || !environment("DOCKER_TLS_VERIFY").empty();
    const bool tls = scheme == "https" || (scheme == "tcp" && asked);
    client.tls.verify = options.tls_verify.value_or(true);
    if (tls && !folder.empty()) {
      if (os::exists(os::join(folder, "ca.pem"))) client.tls.ca_files.push_back(os::join(folder, "ca.pem"));
      if (os::exists(os::join(folder, "cert.pem"))) {
        client.tls.client_certificate = os::join(folder, "cert.pem");
        client.tls.client_key = os::join(folder, "key.pem");
      }
    }
    while (address.ends_with('/')) address.pop_back();
    base_ = fmt::format("{}://{}", tls ? "https" : "http", address);
  }

  std::string host_, base_;
  std::unique_ptr<http::Client> client_;
};

// The engine answers 200 at once and tells its errors in the stream of objects that follows.
void check_load_answer(const std::string& text) {
  for (const auto& line : split(text, '\n')) {
    const auto json = read_json(line);
    if (json.is_object() && json.contains("error") && json["error"].is_string())
      throw Error(ErrorCode::Unavailable, fmt::format("the engine could not load the image: {}",
                                                      escape_control(json["error"].get<std::string>())));
  }
}

class DaemonDestination final : public ImageDestination {
 public:
  DaemonDestination(const ImageName& name, const OpenOptions& options)
      : daemon_(options),
        archive_([this](os::UniqueFd file, std::uint64_t size) { load(std::move(file), size); }),
        image_(archive_.add_image(tags_of(name, options))),
        name_(name.str()) {}

  std::string name() const override { return name_; }
  const DestinationTraits& traits() const override { return image_->traits(); }
  bool try_reuse(const oci::Descriptor& blob, const BlobUse& use, const std::optional<oci::Reference>& from,
                 std::stop_token stop) override {
    return image_->try_reuse(blob, use, from, stop);
  }
  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    return image_->put_blob(plan, content, stop);
  }
  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token stop) override {
    image_->put_manifest(manifest, instance, stop);
  }
  void commit(std::stop_token stop) override {
    stop_ = stop;
    image_->commit(stop);
    archive_.commit();
  }

 private:
  static std::vector<oci::Reference> tags_of(const ImageName& name, const OpenOptions& options) {
    std::vector<oci::Reference> tags = options.additional_tags;
    tags.insert(tags.begin(), *name.reference);
    return tags;
  }

  void load(os::UniqueFd file, std::uint64_t size) {
    io::FdSource content(std::move(file), "temporary file");
    const auto response = daemon_.send("POST", "/images/load?quiet=1", {.source = &content, .size = size}, stop_);
    check_load_answer(io::read_all(*response.body, kMaxAnswer, "answer of the engine"));
  }

  Daemon daemon_;
  DockerArchive archive_;
  std::unique_ptr<ImageDestination> image_;
  std::string name_;
  std::stop_token stop_;
};

}  // namespace

std::unique_ptr<ImageSource> open_docker_daemon_source(const ImageName& name, const OpenOptions& options) {
  const While reading{[&] { return fmt::format("reading {}", name.str()); }};
  const Daemon daemon(options);
  const auto wanted = name.reference ? name.reference->familiar() : name.id;
  const auto response =
      daemon.send("GET", "/images/get?names=" + http::percent_encode(wanted), {.source = nullptr, .size = {}}, {});
  io::FdSink spool(nameless_temp_file(), "temporary file");
  io::copy(*response.body, spool);
  auto file = std::move(spool).take();
  if (::lseek(file.get(), 0, SEEK_SET) != 0) throw system_error("seek in a temporary file");
  std::shared_ptr<const FileTree> tree = open_tar_tree(std::move(file), name.str());
  const auto items = read_archive_items(*tree);
  if (items.size() != 1)
    throw Error(ErrorCode::Corrupt, fmt::format("the engine sent {} images instead of one", items.size()));
  return make_docker_archive_source(tree, items.front(), name.str(), "docker-daemon");
}

std::unique_ptr<ImageDestination> open_docker_daemon_destination(const ImageName& name, const OpenOptions& options) {
  if (!name.reference || name.reference->digest()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: an image is loaded under a name with a tag", name.str()));
  }
  return std::make_unique<DaemonDestination>(name, options);
}

}  // namespace proa::transport
