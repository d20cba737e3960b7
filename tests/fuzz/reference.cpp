// Names, digests, platforms and the texts of options: refused with proa::Error, or read so that writing and reading
// again changes nothing.
#include "libcommon/oci/reference.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/glob.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/time.h"
#include "libcommon/oci/platform.h"
#include "libcommon/spec/devices.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/ports.h"
#include "libcommon/spec/ulimits.h"
#include "libcommon/spec/volumes.h"

namespace {

template <typename Action>
void quietly(Action action) {
  try {
    action();
  } catch (const proa::Error&) {
  }
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace proa;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  quietly([&] {
    auto reference = oci::Reference::parse_normalized(text);
    require(oci::Reference::parse_normalized(reference.str()) == reference);
    require(reference.str().find_first_of(std::string_view("\n \0", 3)) == std::string::npos);
  });
  quietly([&] {
    auto reference = oci::Reference::parse(text);
    require(oci::Reference::parse(reference.str()) == reference);
  });
  quietly([&] {
    std::string platform = oci::Platform::parse(text).str();
    require(oci::Platform::parse(platform).str() == platform);
  });
  quietly([&] {
    for (const auto& mapping : spec::parse_publish(text)) require(mapping.container_port != 0);
  });
  quietly([&] { require(spec::parse_volume(text, "/w").target.starts_with('/')); });
  quietly([&] { require(spec::parse_mount(text, "/w").target.starts_with('/')); });
  quietly([&] { spec::split_volume(text); });
  quietly([&] { spec::parse_tmpfs(text); });
  quietly([&] { spec::parse_device(text); });
  quietly([&] { spec::parse_ulimit(text); });
  quietly([&] {
    for (const auto& name : spec::parse_add_host(text).names)
      require(name.find_first_of("\n\r\t ") == std::string::npos);
  });
  quietly([&] { spec::parse_env_file(text, "f", [](std::string_view) { return std::nullopt; }); });
  quietly([&] { spec::parse_label_file(text, "f"); });
  glob_match(text.substr(0, size / 2), text.substr(size / 2));
  parse_size_1000(text);
  parse_size_1024(text);
  parse_signal(text);
  if (auto time = parse_rfc3339(text)) require(parse_rfc3339(format_rfc3339(*time)) == time);
  if (auto duration = parse_go_duration(text)) require(parse_go_duration(format_go_duration(*duration)) == duration);
  return 0;
}
