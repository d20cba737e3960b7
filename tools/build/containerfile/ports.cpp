#include <algorithm>

#include "libcommon/spec/ports.h"
#include "tools/build/containerfile/instruction.h"

namespace proa::build {

std::vector<std::string> expand_ports(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (const std::string& word : words) {
    for (const spec::PortMapping& mapping : spec::parse_expose(word)) {
      std::string text = mapping.container_text();
      if (std::find(result.begin(), result.end(), text) == result.end()) result.push_back(std::move(text));
    }
  }
  return result;
}

}  // namespace proa::build
