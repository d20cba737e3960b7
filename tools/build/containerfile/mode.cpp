#include "tools/build/containerfile/mode.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::build {
namespace {

constexpr mode_t kAll = 07777, kSticky = 01000, kRead = 0444, kWrite = 0222, kExecute = 0111, kSetIds = 06000;

[[noreturn]] void refuse_mode(std::string_view text) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("--chmod={}: a mode is an octal number up to 7777 or symbolic, as u=rwX,go=rX",
                          escape_control(text)));
}

mode_t mask_of(char who) {
  switch (who) {
    case 'u':
      return 04700;
    case 'g':
      return 02070;
    case 'o':
      return 0007;
    default:
      return kAll;
  }
}

mode_t bits_of(char permission) {
  switch (permission) {
    case 'r':
      return kRead;
    case 'w':
      return kWrite;
    case 'x':
      return kExecute;
    case 's':
      return kSetIds;
    case 't':
      return kSticky;
    default:
      return 0;
  }
}

// The rwx bits of one of user, group and others, for all three.
mode_t spread(mode_t mode, char from) {
  mode_t bits = (from == 'u' ? mode >> 6 : from == 'g' ? mode >> 3 : mode) & 7;
  return bits << 6 | bits << 3 | bits;
}

}  // namespace

std::vector<ModeChange::Action> ModeChange::parse_clause(std::string_view clause, std::string_view whole) {
  std::size_t at = clause.find_first_not_of("ugoa");
  if (at == std::string_view::npos) refuse_mode(whole);
  mode_t who = at == 0 ? kAll : 0;
  for (char c : clause.substr(0, at)) who |= mask_of(c);
  std::vector<Action> actions;
  while (at < clause.size()) {
    Action action;
    action.operation = clause[at++];
    if (action.operation != '+' && action.operation != '-' && action.operation != '=') refuse_mode(whole);
    // The sticky bit belongs to no class: "+t" and "u+t" both set it.
    action.who = who | kSticky;
    std::size_t end = std::min(clause.find_first_of("+-=", at), clause.size());
    for (char c : clause.substr(at, end - at)) {
      if (c == 'X') {
        action.execute_if_any = true;
      } else if (std::string_view("ugo").find(c) != std::string_view::npos && end - at == 1) {
        action.copied_from = c;
      } else if (bits_of(c) != 0) {
        action.bits |= bits_of(c);
      } else {
        refuse_mode(whole);
      }
    }
    if (action.operation == '=' && (action.bits & kSticky) == 0 && (who & kSticky) == 0) action.who &= ~kSticky;
    actions.push_back(action);
    at = end;
  }
  return actions;
}

ModeChange ModeChange::parse(std::string_view text) {
  ModeChange change;
  if (auto number = parse_integer<std::uint32_t>(text, 8)) {
    if (*number > kAll) refuse_mode(text);
    Action action;
    action.bits = *number;
    change.actions_.push_back(action);
    return change;
  }
  for (const std::string& clause : split(text, ',')) {
    for (Action& action : parse_clause(clause, text)) change.actions_.push_back(action);
  }
  return change;
}

mode_t ModeChange::apply(mode_t mode, bool folder) const {
  mode &= kAll;
  for (const Action& action : actions_) {
    mode_t bits = action.bits;
    if (action.execute_if_any && (folder || (mode & kExecute) != 0)) bits |= kExecute;
    if (action.copied_from != 0) bits |= spread(mode, action.copied_from);
    bits &= action.who;
    if (action.operation == '+') {
      mode |= bits;
    } else if (action.operation == '-') {
      mode &= ~bits;
    } else {
      mode = (mode & ~action.who) | bits;
    }
  }
  return mode & kAll;
}

}  // namespace proa::build
