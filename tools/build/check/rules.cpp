#include "tools/build/check/rules.h"

#include <algorithm>
#include <map>

#include "libcommon/base/strings.h"

namespace proa::build {
namespace {

const std::map<std::string_view, std::string_view> kRules = {
    {"StageNameCasing", "Stage names should be lowercase"},
    {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"},
    {"NoEmptyContinuation", "Empty continuation lines will become errors in a future release"},
    {"ConsistentInstructionCasing",
     "All commands within the Dockerfile should use the same casing (either upper or lower)"},
    {"DuplicateStageName", "Stage names should be unique"},
    {"ReservedStageName", "Reserved words should not be used as stage names"},
    {"JSONArgsRecommended",
     "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"},
    {"MaintainerDeprecated", "The MAINTAINER instruction is deprecated, use a label instead to define an image author"},
    {"UndefinedArgInFrom", "FROM command must use declared ARGs"},
    {"WorkdirRelativePath", "Relative workdir can have unexpected results if the base image changes"},
    {"UndefinedVar", "Variables should be defined before their use"},
    {"MultipleInstructionsDisallowed", "Multiple instructions of the same type should not be used in the same stage"},
    {"LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used"},
    {"RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"},
    {"SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"},
    {"InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name"},
    {"FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"},
    {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"},
    {"InvalidDefinitionDescription",
     "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not "
     "intended to be a description comment, add an empty line or comment between the instruction and the comment."},
    {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"},
    {"ExposeInvalidFormat",
     "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future "
     "release"},
};

constexpr std::string_view kExperimental = "InvalidDefinitionDescription";

void add_names(std::string_view list, std::set<std::string>& names, bool& all) {
  for (const std::string& word : split(list, ',')) {
    std::string name(trim(word));
    if (name == "all") all = true;
    if (!name.empty()) names.insert(std::move(name));
  }
}

}  // namespace

std::string_view rule_description(std::string_view rule) {
  auto found = kRules.find(rule);
  return found == kRules.end() ? std::string_view() : found->second;
}

CheckChoice CheckChoice::parse(std::string_view text) {
  CheckChoice choice;
  // What follows a space is a remark.
  text = trim(text);
  text = text.substr(0, text.find(' '));
  for (const std::string& part : split(text, ';')) {
    auto pair = cut(part, "=");
    if (!pair) continue;
    std::string_view key = trim(pair->first);
    if (key == "skip") add_names(pair->second, choice.skipped, choice.skip_all);
    if (key == "experimental") add_names(pair->second, choice.experimental, choice.experimental_all);
    if (key == "error") choice.errors = trim(pair->second) == "true" || trim(pair->second) == "1";
  }
  return choice;
}

bool CheckChoice::is_on(std::string_view rule) const {
  std::string name(rule);
  if (rule == kExperimental) return experimental_all || experimental.contains(name);
  return !skip_all && !skipped.contains(name);
}

bool sounds_secret(std::string_view name) {
  static const std::set<std::string, std::less<>> kSecret = {"apikey",   "auth",  "credential", "credentials", "key",
                                                             "password", "pword", "passwd",     "secret",      "token"};
  // What names the place of a secret, or is meant to be seen.
  static const std::set<std::string, std::less<>> kHarmless = {"public", "file", "version"};
  std::vector<std::string> words = split(to_lower(name), '_');
  auto any = [&](const auto& set) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return set.contains(word); });
  };
  return any(kSecret) && !any(kHarmless);
}

}  // namespace proa::build
