#include "tools/build/output/output_spec.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/command.h"
#include "libcommon/spec/csv.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

using Kind = OutputSpec::Kind;

Kind parse_kind(const std::string& text) {
  if (text == "local") return Kind::Local;
  if (text == "tar") return Kind::Tar;
  if (text == "oci") return Kind::Oci;
  if (text == "docker") return Kind::Docker;
  if (text == "image") return Kind::Image;
  if (text == "registry") return Kind::Registry;
  fail(fmt::format("--output: unknown type '{}'", escape_control(text)),
       "known are local, tar, oci, docker, image and registry");
}

bool is_known_but_moot(const std::string& key) {
  return key == "oci-mediatypes" || key == "force-compression" || key == "unpack" || key == "store" ||
         key == "name-canonical" || key == "dangling-name-prefix" || key == "rewrite-timestamp" || key == "context" ||
         key == "attestation-prefix" || key == "platform-split";
}

void set(OutputSpec& output, const std::string& key, const std::string& value) {
  if (key == "dest") {
    output.destination = value;
  } else if (key == "name") {
    for (std::string& name : split(value, ',')) output.names.push_back(std::move(name));
  } else if (key == "push") {
    output.push = cli::parse_bool(value);
  } else if (key == "tar") {
    output.unpacked = !cli::parse_bool(value);
  } else if (key == "compression") {
    if (value != "gzip" && value != "zstd" && value != "uncompressed" && value != "estargz")
      fail(fmt::format("--output: unknown compression '{}'", escape_control(value)));
    output.compression = value;
  } else if (key == "compression-level") {
    output.compression_level = value;
  } else if (key.starts_with("annotation.")) {
    output.annotations[key.substr(11)] = value;
  } else if (!is_known_but_moot(key)) {
    fail(fmt::format("--output: unknown option '{}'", escape_control(key)));
  }
}

// The kinds before ":": "manifest", "index[linux/amd64]", divided by commas.
std::vector<std::string> annotation_kinds(std::string_view text) {
  std::vector<std::string> kinds = split(text, ',');
  for (const std::string& kind : kinds) {
    std::string name = kind.substr(0, kind.find('['));
    if (name != "manifest" && name != "index" && name != "manifest-descriptor" && name != "index-descriptor") {
      fail(fmt::format("unknown annotation type \"{}\"", escape_control(kind)));
    }
    if (name.size() < kind.size() && !kind.ends_with(']')) {
      fail(fmt::format("invalid annotation type \"{}\"", escape_control(kind)));
    }
  }
  return kinds;
}

}  // namespace

OutputSpec parse_output(std::string_view text) {
  OutputSpec output;
  if (text.find('=') == std::string_view::npos) {
    if (text.empty()) fail("--output needs a value");
    output.kind = text == "-" ? Kind::Tar : Kind::Local;
    output.destination = text;
    return output;
  }
  bool has_type = false;
  for (const std::string& field : spec::split_csv(text, "--output")) {
    auto pair = cut(field, "=");
    if (!pair) fail(fmt::format("--output: invalid value '{}'", escape_control(field)));
    std::string key = to_lower(pair->first), value(pair->second);
    if (key == "type") {
      output.kind = parse_kind(value);
      has_type = true;
    } else {
      set(output, key, value);
    }
  }
  if (!has_type) fail("--output: type is required");
  if (output.kind == Kind::Registry) output.push = true;
  if (output.kind == Kind::Local && output.destination.empty()) fail("--output: dest is required for type local");
  if ((output.kind == Kind::Tar || output.kind == Kind::Oci) && output.destination.empty())
    output.destination.assign(1, '-');
  if (output.kind == Kind::Local && output.destination == "-") fail("--output: a folder cannot be written to stdout");
  return output;
}

std::map<std::string, std::string> parse_annotations(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> result;
  for (const std::string& text : texts) {
    auto pair = cut(text, "=");
    if (!pair || pair->first.empty()) fail(fmt::format("--annotation {}: must be KEY=VALUE", escape_control(text)));
    std::string_view key = pair->first;
    std::vector<std::string> kinds = {"manifest"};
    if (auto parts = cut(key, ":")) {
      kinds = annotation_kinds(parts->first);
      key = parts->second;
    }
    for (const std::string& kind : kinds) {
      result[fmt::format("annotation-{}.{}", kind, key)] = pair->second;
    }
  }
  return result;
}

CacheSpec parse_cache(std::string_view text) {
  CacheSpec cache;
  if (text.find('=') == std::string_view::npos) {
    if (text.empty()) fail("a cache needs a name");
    return {"registry", {{"ref", std::string(text)}}};
  }
  for (const std::string& field : spec::split_csv(text, "--cache")) {
    auto pair = cut(field, "=");
    if (!pair) fail(fmt::format("invalid value '{}'", escape_control(field)));
    if (to_lower(pair->first) == "type") {
      cache.type = pair->second;
    } else {
      cache.attributes[to_lower(pair->first)] = pair->second;
    }
  }
  if (cache.type.empty()) fail(fmt::format("type required for \"{}\"", escape_control(text)));
  return cache;
}

}  // namespace proa::build
