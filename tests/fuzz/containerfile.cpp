// Containerfiles, ignore files, expansions, mounts, modes, git references and outputs from anybody: errors are
// proa::Error, and nothing else happens.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcommon/base/error.h"
#include "tools/build/check/check.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/ignore.h"
#include "tools/build/containerfile/mode.h"
#include "tools/build/containerfile/stages.h"
#include "tools/build/output/output_spec.h"
#include "tools/build/sources/git_ref.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace proa::build;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto quietly = [](auto&& action) {
    try {
      action();
    } catch (const proa::Error&) {
    }
  };
  quietly([&] { parse_containerfile(text); });
  quietly([&] { find_syntax_directive(text); });
  quietly([&] { expand(text, {{"A", "x*y"}, {"B", ""}}); });
  quietly([&] { parse_mount(text); });
  quietly([&] { mount_from(text); });
  quietly([&] { GitRef::try_parse(text); });
  quietly([&] { without_credentials(text); });
  quietly([&] { ModeChange::parse(text).apply(0644, false); });
  quietly([&] { parse_output(text); });
  quietly([&] { parse_annotations({std::string(text)}); });
  check_containerfile(text, {});
  quietly([&] { IgnoreRules(parse_ignore_file(text)).ignores("a/b/c"); });
  return 0;
}
