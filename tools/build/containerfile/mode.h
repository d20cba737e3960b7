// --chmod: an octal number, or a symbolic mode as chmod(1) has it ("u=rwX,go=rX", "+x"). Without "ugo" all are meant:
// there is no umask in a build.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

class ModeChange {
 public:
  // Throws InvalidArgument.
  static ModeChange parse(std::string_view text);
  // The mode bits (07777) of a file that has `mode` now. `folder`: "X" then means "x" always.
  mode_t apply(mode_t mode, bool folder) const;

 private:
  struct Action {
    char operation = '=';  // + - =
    mode_t who = 07777;    // the bits that this one is about
    mode_t bits = 0;
    bool execute_if_any = false;  // X
    char copied_from = 0;         // u, g, o: their bits
  };
  static std::vector<Action> parse_clause(std::string_view clause, std::string_view whole);

  std::vector<Action> actions_;
};

}  // namespace proa::build
