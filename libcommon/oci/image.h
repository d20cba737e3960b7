// Descriptors, manifests, indexes and image configurations: data, decoding, encoding, validation.
// image-spec v1.1 {descriptor,manifest,image-index,config}.md; Docker image manifest v2 schema 2. No I/O here.
// Decoding is strict where readers could disagree: duplicate keys, a manifest that is also an index, a media type that
// is not the body's, schemaVersion other than 2, keys that differ from ours only in case, negative or fractional sizes,
// more than 1000 layers, nesting deeper than 100 throw Corrupt.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/digest.h"
#include "libcommon/oci/platform.h"

namespace proa::oci {

inline constexpr std::uint64_t kMaxManifestSize = 4u << 20;
inline constexpr std::uint64_t kMaxConfigSize = 8u << 20;
inline constexpr std::size_t kMaxLayers = 1000;

using Annotations = std::map<std::string, std::string>;

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::vector<std::string> urls;
  Annotations annotations;
  std::optional<Platform> platform;
  std::optional<std::string> artifact_type;

  bool operator==(const Descriptor&) const = default;
};

bool is_index_type(std::string_view media_type);     // OCI index or Docker manifest list
bool is_manifest_type(std::string_view media_type);  // OCI or Docker schema 2 image manifest
bool is_layer_type(std::string_view media_type);
bool is_foreign_layer_type(std::string_view media_type);

// A manifest keeps the bytes it came as: re-encoding would change its digest. Edits are made by building a new one with
// encode().
struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  Annotations annotations;
  std::optional<std::string> artifact_type;
  std::optional<Descriptor> subject;
  std::string raw;

  // `declared_type`: media type of the descriptor or Content-Type, empty when unknown.
  static Manifest parse(std::string raw, std::string_view declared_type = {});
  // Fills `raw` with canonical JSON of the fields and returns the result.
  static Manifest encode(Manifest fields);
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
  Annotations annotations;
  std::optional<std::string> artifact_type;
  std::optional<Descriptor> subject;
  std::string raw;

  static Index parse(std::string raw, std::string_view declared_type = {});
  static Index encode(Index fields);
  // The instance for a platform as containerd chooses it (arm variants, amd64 levels; unknown platforms never);
  // nullopt: none fits.
  const Descriptor* select(const Platform& wanted) const;
};

struct HealthConfig {  // Docker extension of the config; durations in nanoseconds
  std::vector<std::string> test;
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;
  int retries = 0;
  bool operator==(const HealthConfig&) const = default;
};

struct History {
  std::optional<std::string> created;
  std::string author, created_by, comment;
  bool empty_layer = false;
  bool operator==(const History&) const = default;
};

// The fields proa works with. Unknown members of the JSON survive encode() when the config came from parse().
struct ImageConfig {
  std::optional<std::string> created;  // RFC 3339 as written
  std::string author;
  Platform platform;
  std::string user;
  std::vector<std::string> exposed_ports;  // "80/tcp", in order of the keys
  std::vector<std::string> env;
  std::optional<std::vector<std::string>> entrypoint, cmd;  // nullopt: not set, which differs from []
  std::vector<std::string> volumes;
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::optional<bool> args_escaped;
  std::optional<HealthConfig> healthcheck;
  std::vector<std::string> shell;
  std::vector<std::string> on_build;
  std::vector<DiffId> diff_ids;
  std::vector<History> history;
  std::string raw;

  static ImageConfig parse(std::string raw);
  // Canonical JSON into `raw`; equal fields give equal bytes.
  static ImageConfig encode(ImageConfig fields);
};

// Throws unless an image of these two can be put together: every layer of a type we know (no +encrypted, no artifact),
// and as many diff ids as layers. Copying does not need that; storing as layers, running and building do.
void check_layers(const Manifest& manifest, const ImageConfig& config);

// ChainIDs of every prefix of `diff_ids`, image-spec config.md "Layer ChainID". `hash` is io::digest_of in programs.
std::vector<ChainId> chain_ids(const std::vector<DiffId>& diff_ids, Digest (*hash)(std::string_view));

}  // namespace proa::oci
