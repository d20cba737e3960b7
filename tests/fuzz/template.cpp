// Templates of users: refused with proa::Error, or rendered with bounded output that holds no control characters of
// values.
#include "libcommon/cli/template.h"
#include "libcommon/base/json.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "libcommon/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const nlohmann::json value = {{"ID", "0123"},
                                       {"Names", {"a", "b\x1b"}},
                                       {"Labels", {{"k", "v\x07"}}},
                                       {"Running", true},
                                       {"Size", 12.5},
                                       {"Pid", -1},
                                       {"None", nullptr},
                                       {"Deep", {{{"A", {{"B", {1, 2, 3}}}}}}}};
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    std::string output = proa::cli::render(text, value);
    bool own_escape = text.find('\x1b') != std::string_view::npos;
    if (output.size() > proa::cli::kMaxTemplateOutput || (!own_escape && output.find('\x1b') != std::string::npos))
      std::abort();
  } catch (const proa::Error&) {
  }
  return 0;
}
