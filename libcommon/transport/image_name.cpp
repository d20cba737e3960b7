#include "libcommon/transport/image_name.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::transport {

namespace {

struct KnownTransport {
  std::string_view word;
  Kind kind;
};
constexpr std::array<KnownTransport, 8> kTransports{{{"docker", Kind::Docker},
                                                     {"oci", Kind::OciLayout},
                                                     {"oci-archive", Kind::OciArchive},
                                                     {"docker-archive", Kind::DockerArchive},
                                                     {"docker-daemon", Kind::DockerDaemon},
                                                     {"dir", Kind::Dir},
                                                     {"storage", Kind::Storage},
                                                     {"containers-storage", Kind::ContainersStorage}}};

std::optional<Kind> kind_of(std::string_view word) {
  for (const auto& known : kTransports) {
    if (known.word == word) return known.kind;
  }
  return std::nullopt;
}

[[noreturn]] void invalid(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// image-spec annotations.md, org.opencontainers.image.ref.name: components of letters and digits joined by one of
// -._:@+ or "--", the components joined by slashes.
bool is_layout_name(std::string_view text) {
  bool after_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_alphanumeric(text[i])) {
      after_word = true;
      continue;
    }
    if (!after_word) return false;
    if (text.substr(i, 2) == "--") {
      ++i;
    } else if (std::string_view("-._:@+/").find(text[i]) == std::string_view::npos) {
      return false;
    }
    after_word = false;
  }
  return after_word;
}

std::size_t parse_index(std::string_view text) {
  const auto number = parse_integer<long>(text);
  if (!number) invalid(fmt::format("Invalid source index @{}: not a number", escape_control(text)));
  if (*number < 0) invalid(fmt::format("Invalid source index @{}: must not be negative", *number));
  return static_cast<std::size_t>(*number);
}

void parse_layout(ImageName& name, std::string_view rest) {
  const auto parts = cut(rest, ":");
  name.path = std::string(parts ? parts->first : rest);
  if (name.path.empty()) name.path = ".";
  if (!parts || parts->second.empty()) return;
  if (parts->second.front() == '@' && parse_integer<unsigned>(parts->second.substr(1))) {
    name.index = parse_index(parts->second.substr(1));
    return;
  }
  if (!is_layout_name(parts->second)) invalid(fmt::format("Invalid image {}", escape_control(parts->second)));
  name.image = std::string(parts->second);
}

void parse_docker(ImageName& name, std::string_view rest) {
  if (!rest.starts_with("//")) {
    invalid(fmt::format("docker: image reference {} does not start with //", escape_control(rest)),
            fmt::format("write docker://{}", escape_control(rest)));
  }
  auto reference = oci::Reference::parse_normalized(rest.substr(2));
  if (reference.tag() && reference.digest()) {
    invalid("Docker references with both a tag and digest are currently not supported", "leave the tag out");
  }
  name.reference = reference.with_default_tag();
}

void parse_docker_archive(ImageName& name, std::string_view rest) {
  if (rest.empty()) invalid("docker-archive reference  isn't of the form <path>[:<reference>]");
  const auto parts = cut(rest, ":");
  name.path = std::string(parts ? parts->first : rest);
  if (!parts) return;
  if (parts->second.starts_with('@')) {
    name.index = parse_index(parts->second.substr(1));
    return;
  }
  While parsing{"docker-archive parsing reference"};
  auto reference = oci::Reference::parse_normalized(parts->second).with_default_tag();
  if (!reference.tag()) invalid(fmt::format("reference {} has no tag", reference.str()));
  name.reference = std::move(reference);
}

void parse_storage(ImageName& name, std::string_view rest) {
  if (rest.starts_with("//")) rest.remove_prefix(2);
  if (rest.starts_with('@') && is_hex(rest.substr(1))) {  // storage:@ID
    name.id = std::string(rest.substr(1));
    return;
  }
  if (rest.starts_with("sha256:") && is_hex(rest.substr(7))) {
    name.id = std::string(rest);
    return;
  }
  name.reference = oci::Reference::parse_normalized(rest).with_default_tag();
}

void parse_docker_daemon(ImageName& name, std::string_view rest) {
  if (oci::Digest::try_parse(rest)) {
    name.id = std::string(rest);
    return;
  }
  name.reference = oci::Reference::parse_normalized(rest).with_default_tag();
}

// "[overlay@/path/to/storage+/run/dir:options]name": of what is in brackets only the root matters to a reader.
void parse_containers_storage(ImageName& name, std::string_view rest) {
  if (rest.starts_with('[')) {
    const auto parts = cut(rest.substr(1), "]");
    if (!parts) invalid(fmt::format("{}: the [ is not closed", escape_control(rest)));
    auto place = parts->first;
    rest = parts->second;
    if (const auto driver = cut(place, "@")) place = driver->second;
    name.path = std::string(place.substr(0, place.find_first_of("+:")));
    if (!name.path.starts_with('/')) invalid(fmt::format("{}: the root of the storage is no absolute path", name.path));
  }
  parse_storage(name, rest);
  if (name.reference) name.image = std::string(rest);
}

}  // namespace

std::string_view kind_name(Kind kind) {
  for (const auto& known : kTransports) {
    if (known.kind == kind) return known.word;
  }
  return "";
}

bool ImageName::has_transport(std::string_view text) {
  const auto parts = cut(text, ":");
  return parts && kind_of(parts->first);
}

ImageName ImageName::parse(std::string_view text) {
  const auto parts = cut(text, ":");
  if (!parts) {
    invalid(
        fmt::format("Invalid image name \"{}\", expected colon-separated transport:reference", escape_control(text)),
        fmt::format("for an image in a registry write docker://{}", escape_control(text)));
  }
  const auto kind = kind_of(parts->first);
  if (!kind) {
    invalid(fmt::format("Invalid image name \"{}\", unknown transport \"{}\"", escape_control(text),
                        escape_control(parts->first)),
            "transports are docker://, oci:, oci-archive:, docker-archive:, docker-daemon:, dir:, storage: and "
            "containers-storage:");
  }
  While parsing{[&] { return fmt::format("parsing image name \"{}\"", escape_control(text)); }};
  ImageName name{.kind = *kind, .path = {}, .image = {}, .index = {}, .reference = {}, .id = {}};
  switch (*kind) {
    case Kind::Docker:
      parse_docker(name, parts->second);
      break;
    case Kind::OciLayout:
    case Kind::OciArchive:
      parse_layout(name, parts->second);
      break;
    case Kind::DockerArchive:
      parse_docker_archive(name, parts->second);
      break;
    case Kind::Dir:
      name.path = parts->second.empty() ? "." : std::string(parts->second);
      break;
    case Kind::DockerDaemon:
      parse_docker_daemon(name, parts->second);
      break;
    case Kind::Storage:
      parse_storage(name, parts->second);
      break;
    case Kind::ContainersStorage:
      parse_containers_storage(name, parts->second);
      break;
  }
  return name;
}

std::string ImageName::str() const {
  std::string text = fmt::format("{}:", kind_name(kind));
  switch (kind) {
    case Kind::Docker:
      return text + "//" + reference->str();
    case Kind::Dir:
      return text + path;
    case Kind::Storage:
    case Kind::DockerDaemon:
      return text + (reference ? reference->str() : id);
    case Kind::ContainersStorage:
      return text + (path.empty() ? "" : fmt::format("[{}]", path)) + (reference ? image : id);
    case Kind::OciLayout:
    case Kind::OciArchive:
    case Kind::DockerArchive:
      break;
  }
  text += path;
  if (index) {
    text += fmt::format(":@{}", *index);
  } else if (reference) {
    text += ":" + reference->str();
  } else if (!image.empty()) {
    text += ":" + image;
  }
  return text;
}

}  // namespace proa::transport
