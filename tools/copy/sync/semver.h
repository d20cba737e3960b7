// Versions and ranges of them (semver.org 2.0), for the tags that `images-by-semver` chooses: =, !=, <, <=, >, >=, ~,
// ^, "1.2 - 1.4", wildcards; a comma or a space adds a condition, || an alternative.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::copy {

struct Version {
  std::array<std::uint64_t, 3> numbers{};  // major, minor, patch
  std::string prerelease;

  // "1", "v1.2", "1.2.3-rc.1+build"; nullopt when it is none.
  static std::optional<Version> parse(std::string_view text);
};

// Negative, zero or positive; by precedence, so build metadata does not count.
int compare(const Version& a, const Version& b);

class VersionRange {
 public:
  static VersionRange parse(std::string_view text);  // InvalidArgument
  // A pre-release only fits conditions that name a pre-release themselves.
  bool contains(const Version& version) const;

 private:
  enum class Relation { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };
  struct Condition {
    Relation relation;
    Version version;
    bool with_prerelease;
  };
  using Conditions = std::vector<Condition>;

  static void add_condition(Conditions& conditions, std::string_view relation, std::string_view operand);
  static bool fits(const Condition& condition, const Version& version);
  std::vector<Conditions> alternatives_;
};

}  // namespace proa::copy
