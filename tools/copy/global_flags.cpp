#include "tools/copy/global_flags.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "libcommon/base/strings.h"

namespace proa::copy {

namespace {

constexpr std::array<std::string_view, 10> kSkopeoVerbs = {
    "copy",      "delete",          "generate-sigstore-key", "inspect",
    "list-tags", "manifest-digest", "standalone-sign",       "standalone-verify",
    "sync",      "layers"};

bool takes_value(std::string_view name) {
  static constexpr std::array<std::string_view, 7> names = {
      "--override-arch", "--override-os", "--override-variant", "--policy",
      "--registries.d",  "--tmpdir",      "--user-agent-prefix"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Flags of the program itself whose value is the next word.
bool is_own_with_value(std::string_view name) {
  return name == "--log-level" || name == "-l" || name == "--root" || name == "--runroot";
}

std::size_t verb_at(const std::vector<std::string>& words) {
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-'))
    at += is_own_with_value(words[at]) || takes_value(words[at]) ? 2 : 1;
  return std::min(at, words.size());
}

}  // namespace

std::vector<std::string> place_global_flags(const std::vector<std::string>& words) {
  const auto end = verb_at(words);
  std::vector<std::string> before, moved, policy;
  for (std::size_t i = 0; i < end; ++i) {
    const auto assigned = cut(words[i], "=");
    const std::string name(assigned ? assigned->first : std::string_view(words[i]));
    if (name == "--insecure-policy") {
      policy.push_back(words[i]);
      continue;
    }
    if (!takes_value(name)) {
      before.push_back(words[i]);
      if (!assigned && is_own_with_value(name) && i + 1 < end) before.push_back(words[++i]);
      continue;
    }
    if (!assigned && i + 1 >= end) {
      before.push_back(words[i]);  // without its value: the parser says so
      continue;
    }
    const std::string value = assigned ? std::string(assigned->second) : words[++i];
    if (name == "--tmpdir") {
      ::setenv("TMPDIR", value.c_str(), 1);
    } else if (name == "--policy" || name == "--registries.d") {
      policy.push_back(name + "=" + value);
    } else if (name != "--user-agent-prefix") {
      moved.push_back(name + "=" + value);
    }
  }
  std::vector<std::string> result = std::move(before);
  if (end < words.size()) {
    result.push_back(words[end]);
    const auto& verb = words[end];
    // Only what copies asks the policy, as with skopeo.
    const bool copies = verb == "copy" || verb == "sync";
    if (copies) result.insert(result.end(), policy.begin(), policy.end());
    if (copies || verb == "inspect") result.insert(result.end(), moved.begin(), moved.end());
    result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(end) + 1, words.end());
  }
  return result;
}

bool is_skopeo_verb(const std::vector<std::string>& words) {
  const auto at = verb_at(words);
  return at < words.size() && std::find(kSkopeoVerbs.begin(), kSkopeoVerbs.end(), words[at]) != kSkopeoVerbs.end();
}

}  // namespace proa::copy
