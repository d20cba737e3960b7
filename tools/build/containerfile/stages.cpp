#include "tools/build/containerfile/stages.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::build {

Containerfile parse_containerfile(std::string_view text, std::string_view name) {
  SyntaxTree tree = parse_syntax(text, name);
  Containerfile file;
  file.escape = tree.escape;
  file.warnings = std::move(tree.warnings);
  for (const Node& node : tree.nodes) {
    While parsing{[&] { return fmt::format("{}:{}", escape_control(name), node.first_line); }};
    Instruction instruction = parse_instruction(node);
    if (auto* from = std::get_if<From>(&instruction.meaning)) {
      file.stages.push_back({*from, instruction, {}});
    } else if (!file.stages.empty()) {
      file.stages.back().instructions.push_back(std::move(instruction));
    } else if (auto* arg = std::get_if<Arg>(&instruction.meaning)) {
      file.global_args.push_back(std::move(*arg));
    } else {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("no build stage in current context: {} comes before the first FROM",
                              escape_control(instruction.name)));
    }
  }
  return file;
}

}  // namespace proa::build
