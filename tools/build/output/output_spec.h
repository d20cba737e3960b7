// --output, as buildx reads it: "type=local,dest=DIR", "type=oci,dest=FILE", "DIR", "-". Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

struct OutputSpec {
  enum class Kind { Local, Tar, Oci, Docker, Image, Registry } kind = Kind::Image;
  std::string destination;         // a path; "-" is stdout; empty: the store
  std::vector<std::string> names;  // Image, Registry, Oci, Docker
  bool push = false;
  bool unpacked = false;  // Oci: a layout in a folder ("tar=false")
  std::string compression, compression_level;
  std::map<std::string, std::string> annotations;
};

// Throws InvalidArgument: no or unknown type, a type without the destination that it needs.
OutputSpec parse_output(std::string_view text);

// --annotation: "[manifest,index[linux/amd64]:]KEY=VALUE" as keys of buildx: "annotation-manifest[linux/amd64].KEY";
// without a prefix "annotation-manifest.KEY".
std::map<std::string, std::string> parse_annotations(const std::vector<std::string>& texts);

// --cache-to, --cache-from.
struct CacheSpec {
  std::string type;
  std::map<std::string, std::string> attributes;
};
// "type=registry,ref=NAME"; NAME alone is a registry's. Throws InvalidArgument.
CacheSpec parse_cache(std::string_view text);

}  // namespace proa::build
