// The list of images as skopeo-sync(1) describes it:
//
//   registry.example.com:
//     tls-verify: false
//     credentials: {username: NAME, password: SECRET}
//     cert-dir: /path
//     images: {repository: [tag, "sha256:..."], another: []}
//     images-by-tag-regex: {repository: '^1\.'}
//     images-by-semver: {repository: '>= 3.12'}
#include <fmt/core.h>

#include <functional>
#include <regex>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/yaml.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/docker_repository.h"
#include "tools/copy/sync/semver.h"
#include "tools/copy/sync/source.h"

namespace proa::copy {

namespace {

constexpr std::uint64_t kMaxListSize = 4 << 20;
using config::YamlNode;
using YamlKind = YamlNode::Kind;
using TagFilter = std::function<bool(const std::string&)>;

[[noreturn]] void fail(const YamlNode& node, const std::string& problem) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("line {}: {}", node.line, problem));
}

std::string text_of(const YamlNode& node, const char* what) {
  if (node.kind != YamlKind::Scalar) fail(node, fmt::format("{} has to be a text", what));
  return node.scalar;
}

bool bool_of(const YamlNode& node, const char* what) {
  const auto text = to_lower(text_of(node, what));
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  fail(node, fmt::format("{} has to be true or false", what));
}

void expect_mapping(const YamlNode& node, const char* what) {
  if (node.kind != YamlKind::Mapping && node.kind != YamlKind::Null)
    fail(node, fmt::format("{} has to be a mapping", what));
}

TagFilter regex_filter(const YamlNode& node) {
  const auto text = text_of(node, "a regular expression");
  try {
    // Tags have at most 128 characters, which bounds the work.
    return [pattern = std::regex(text, std::regex::ECMAScript | std::regex::nosubs)](const std::string& tag) {
      return std::regex_search(tag, pattern);
    };
  } catch (const std::regex_error&) {
    fail(node, fmt::format("\"{}\" is no regular expression", escape_control(text)));
  }
}

TagFilter semver_filter(const YamlNode& node) {
  const While reading{[&] { return fmt::format("line {}", node.line); }};
  return [range = VersionRange::parse(text_of(node, "a version constraint"))](const std::string& tag) {
    const auto version = Version::parse(tag);
    return version && range.contains(*version);
  };
}

class RegistryReader {
 public:
  RegistryReader(std::string registry, const YamlNode& node, const transport::RegistryOptions& options)
      : registry_(std::move(registry)), node_(node), options_(options) {}

  std::vector<SyncGroup> read() {
    expect_mapping(node_, "what belongs to a registry");
    for (const auto& [key, value] : node_.members) setting(key, value);
    if (const auto* images = node_.find("images")) listed(*images);
    if (const auto* images = node_.find("images-by-tag-regex")) filtered(*images, regex_filter);
    if (const auto* images = node_.find("images-by-semver")) filtered(*images, semver_filter);
    return std::move(groups_);
  }

 private:
  void setting(const std::string& key, const YamlNode& value) {
    if (key == "tls-verify") {
      options_.tls_verify = bool_of(value, "tls-verify");
    } else if (key == "cert-dir") {
      options_.certificates = text_of(value, "cert-dir");
    } else if (key == "credentials") {
      expect_mapping(value, "credentials");
      for (const auto& [name, text] : value.members) {
        if (name == "username") {
          options_.username = text_of(text, "username");
        } else if (name == "password") {
          options_.password = text_of(text, "password");
        } else {
          fail(text, fmt::format("credentials have a username and a password, not {}", escape_control(name)));
        }
      }
    } else if (key != "images" && key != "images-by-tag-regex" && key != "images-by-semver") {
      fail(value, fmt::format("unknown setting {}", escape_control(key)));
    }
  }

  oci::Reference repository(const std::string& name) const {
    auto reference = oci::Reference::parse_normalized(registry_ + "/" + name);
    if (reference.tag() || reference.digest())
      throw Error(ErrorCode::InvalidArgument, fmt::format("{}: a repository has no tag here", escape_control(name)));
    return reference;
  }

  static SyncImage image(const oci::Reference& reference) {
    return {.source = transport::ImageName{.kind = transport::Kind::Docker, .reference = reference},
            .path = reference.str()};
  }

  void listed(const YamlNode& images) {
    expect_mapping(images, "images");
    for (const auto& [name, tags] : images.members) {
      const auto reference = repository(name);
      if (tags.kind == YamlKind::Null || (tags.kind == YamlKind::Sequence && tags.items.empty())) {
        groups_.push_back(sync_docker_source(reference.str(), options_));
        continue;
      }
      if (tags.kind != YamlKind::Sequence) fail(tags, "the tags of a repository are a sequence");
      SyncGroup group{.name = reference.str(), .registry = options_, .images = {}};
      for (const auto& tag : tags.items) {
        const auto text = text_of(tag, "a tag");
        const auto digest = oci::Digest::try_parse(text);
        group.images.push_back(image(digest ? reference.with_digest(*digest) : reference.with_tag(text)));
      }
      groups_.push_back(std::move(group));
    }
  }

  void filtered(const YamlNode& images, TagFilter (*make)(const YamlNode&)) {
    expect_mapping(images, "a choice of tags");
    for (const auto& [name, condition] : images.members) {
      const auto filter = make(condition);
      auto group = sync_docker_source(repository(name).str(), options_);
      std::erase_if(group.images, [&](const SyncImage& entry) { return !filter(*entry.source.reference->tag()); });
      groups_.push_back(std::move(group));
    }
  }

  std::string registry_;
  const YamlNode& node_;
  transport::RegistryOptions options_;
  std::vector<SyncGroup> groups_;
};

}  // namespace

std::vector<SyncGroup> sync_yaml_source(const std::string& path, const transport::RegistryOptions& options) {
  const While reading{[&] { return fmt::format("reading {}", path); }};
  const auto document = config::parse_yaml(os::read_file(path, kMaxListSize));
  if (document.kind != YamlKind::Mapping) throw Error(ErrorCode::InvalidArgument, "it is no mapping of registries");
  std::vector<SyncGroup> groups;
  for (const auto& [registry, node] : document.members) {
    auto more = RegistryReader(registry, node, options).read();
    groups.insert(groups.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return groups;
}

}  // namespace proa::copy
