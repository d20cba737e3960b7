#include "tools/copy/sync/semver.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::copy {

namespace {

[[noreturn]] void malformed(std::string_view text) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("improper version constraint \"{}\"", escape_control(text)),
              "write it as in \">= 1.2, < 2\" or \"^1.2\"");
}

bool is_wildcard(std::string_view part) { return part == "x" || part == "X" || part == "*"; }

// A version whose last parts may be missing or wildcards.
struct Partial {
  Version version;
  std::size_t given = 0;  // how many of the numbers are there
};

bool is_identifier_list(std::string_view text) {
  for (const auto& part : split(text, '.')) {
    if (part.empty()) return false;
    for (const char c : part) {
      const bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
      if (!fine) return false;
    }
  }
  return true;
}

std::optional<Partial> parse_partial(std::string_view text, bool wildcards) {
  if (text.starts_with('v')) text.remove_prefix(1);
  if (const auto parts = cut(text, "+")) {
    if (!is_identifier_list(parts->second)) return std::nullopt;
    text = parts->first;
  }
  Partial result;
  if (const auto parts = cut(text, "-")) {
    if (!is_identifier_list(parts->second)) return std::nullopt;
    result.version.prerelease = std::string(parts->second);
    text = parts->first;
  }
  const auto numbers = split(text, '.');
  if (numbers.size() > 3) return std::nullopt;
  bool open = false;
  for (const auto& part : numbers) {
    if (wildcards && is_wildcard(part)) {
      open = true;
      continue;
    }
    const auto number = parse_integer<std::uint64_t>(part);
    if (open || !number) return std::nullopt;
    result.version.numbers[result.given++] = *number;
  }
  return result;
}

int compare_identifiers(std::string_view a, std::string_view b) {
  const auto x = parse_integer<std::uint64_t>(a), y = parse_integer<std::uint64_t>(b);
  if (x && y) return *x < *y ? -1 : *x > *y ? 1 : 0;
  if (x || y) return x ? -1 : 1;  // numbers are below words
  return a.compare(b);
}

int compare_prerelease(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty() ? 0 : a.empty() ? 1 : -1;
  const auto x = split(a, '.'), y = split(b, '.');
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (const int order = compare_identifiers(x[i], y[i]); order != 0) return order;
  }
  return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
}

// The first version that has another number at `position`: 1.2.3 at 1 -> 1.3.0.
Version next(const Version& version, std::size_t position) {
  Version result;
  for (std::size_t i = 0; i <= position; ++i) result.numbers[i] = version.numbers[i];
  ++result.numbers[position];
  return result;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  auto partial = parse_partial(text, false);
  if (!partial) return std::nullopt;
  return std::move(partial->version);
}

int compare(const Version& a, const Version& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (a.numbers[i] != b.numbers[i]) return a.numbers[i] < b.numbers[i] ? -1 : 1;
  }
  return compare_prerelease(a.prerelease, b.prerelease);
}

void VersionRange::add_condition(Conditions& conditions, std::string_view relation, std::string_view operand) {
  const auto partial = parse_partial(operand, true);
  if (!partial) malformed(operand);
  const auto& version = partial->version;
  const auto given = partial->given;
  const bool named = !version.prerelease.empty();
  const auto add = [&](Relation kind, const Version& limit) { conditions.push_back({kind, limit, named}); };
  // From this version on, below the next one in the number at `position`.
  const auto span = [&](std::size_t position) {
    add(Relation::GreaterEqual, version);
    add(Relation::Less, next(version, position));
  };
  if (relation == "!=") {
    if (given < 3) malformed(operand);
    add(Relation::NotEqual, version);
  } else if (relation == "<") {
    add(Relation::Less, version);
  } else if (relation == ">=" || relation == "=>") {
    add(Relation::GreaterEqual, version);
  } else if (given == 0) {
    add(Relation::GreaterEqual, Version{});  // "*"
  } else if (relation == ">") {
    given == 3 ? add(Relation::Greater, version) : add(Relation::GreaterEqual, next(version, given - 1));
  } else if (relation == "<=" || relation == "=<") {
    given == 3 ? add(Relation::LessEqual, version) : add(Relation::Less, next(version, given - 1));
  } else if (relation == "~" || relation == "~>") {
    span(given == 1 ? 0 : 1);
  } else if (relation == "^") {
    // The leftmost number that is not zero may not change.
    std::size_t position = 0;
    while (position + 1 < given && version.numbers[position] == 0) ++position;
    span(position);
  } else if (given == 3) {
    add(Relation::Equal, version);
  } else {
    span(given - 1);
  }
}

VersionRange VersionRange::parse(std::string_view text) {
  static constexpr std::string_view relations[] = {"!=", ">=", "=>", "<=", "=<", "~>", "=", "<", ">", "~", "^"};
  VersionRange range;
  for (const auto& alternative : split(replace_all(text, "||", "\n"), '\n')) {
    Conditions conditions;
    if (const auto ends = cut(alternative, " - ")) {
      add_condition(conditions, ">=", trim(ends->first));
      add_condition(conditions, "<=", trim(ends->second));
      range.alternatives_.push_back(std::move(conditions));
      continue;
    }
    std::string_view relation;
    for (const auto& word : split(replace_all(alternative, ",", " "), ' ')) {
      std::string_view operand = word;
      if (operand.empty()) continue;
      for (const auto known : relations) {
        if (!operand.starts_with(known)) continue;
        if (!relation.empty()) malformed(text);
        relation = known;
        operand.remove_prefix(known.size());
        break;
      }
      if (operand.empty()) continue;  // the operand is the next word
      add_condition(conditions, relation, operand);
      relation = {};
    }
    if (conditions.empty() || !relation.empty()) malformed(text);
    range.alternatives_.push_back(std::move(conditions));
  }
  return range;
}

bool VersionRange::fits(const Condition& condition, const Version& version) {
  if (!version.prerelease.empty() && !condition.with_prerelease) return false;
  const int order = compare(version, condition.version);
  switch (condition.relation) {
    case Relation::Equal:
      return order == 0;
    case Relation::NotEqual:
      return order != 0;
    case Relation::Less:
      return order < 0;
    case Relation::LessEqual:
      return order <= 0;
    case Relation::Greater:
      return order > 0;
    case Relation::GreaterEqual:
      break;
  }
  return order >= 0;
}

bool VersionRange::contains(const Version& version) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Conditions& conditions) {
    return std::all_of(conditions.begin(), conditions.end(),
                       [&](const Condition& condition) { return fits(condition, version); });
  });
}

}  // namespace proa::copy
