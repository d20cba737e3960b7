// Recorded cases of git references, annotations, cache options and build checks.
#include <gtest/gtest.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "tests/support/vectors.h"
#include "tools/build/check/check.h"
#include "tools/build/graph/plan.h"
#include "tools/build/output/output_spec.h"
#include "tools/build/sources/git_ref.h"

namespace proa::build {
namespace {

using nlohmann::json;

TEST(Vectors, GitContext) {
  test::check_vectors(
      "git-context",
      [](const json& in) {
        GitRef ref = GitRef::parse(in["ref"].get<std::string>());
        json out = {{"Remote", ref.remote},
                    {"ShortName", ref.short_name},
                    {"Ref", ref.ref},
                    {"Checksum", ref.checksum},
                    {"SubDir", ref.subdir},
                    {"IndistinguishableFromLocal", ref.like_local},
                    {"UnencryptedTCP", ref.unencrypted},
                    {"MTime", ref.mtime},
                    {"FetchByCommit", ref.fetch_by_commit}};
        if (ref.keep_git_dir) out["KeepGitDir"] = *ref.keep_git_dir;
        if (ref.submodules) out["Submodules"] = *ref.submodules;
        return out;
      },
      {}, test::without_empty_members);
}

TEST(Vectors, GitUrl) {
  test::check_vectors(
      "git-url",
      [](const json& in) {
        GitUrl url = GitUrl::parse(in["url"].get<std::string>());
        json out = {{"scheme", url.scheme}, {"user", url.user}, {"host", url.host}, {"path", url.path}};
        for (const auto& [key, values] : url.query) out["query"][key] = values;
        if (url.fragment) {
          std::size_t colon = url.fragment->find(':');
          out["ref"] = url.fragment->substr(0, colon);
          if (colon != std::string::npos) out["subdir"] = url.fragment->substr(colon + 1);
        }
        return out;
      },
      {}, test::without_empty_members);
}

TEST(Vectors, BuildxAnnotation) {
  test::check_vectors("buildx-annotation", [](const json& in) {
    return json(parse_annotations(in["values"].get<std::vector<std::string>>()));
  });
}

TEST(Vectors, BuildxCache) {
  test::check_vectors("buildx-cache", [](const json& in) {
    json out = json::array();
    for (const json& value : in["values"]) {
      CacheSpec cache = parse_cache(value.get<std::string>());
      out.push_back({{"type", cache.type}, {"attrs", cache.attributes}});
    }
    return out;
  });
}

json warning_json(const Warning& warning) {
  return {{"rule", warning.rule},
          {"description", rule_description(warning.rule)},
          {"detail", warning.detail},
          {"line", warning.line},
          {"level", 1}};
}

// The peer looks at a file once for each stage that is asked for, and then says the same several times: what counts is
// what is said, and where.
json as_set(json out) {
  std::vector<json> warnings = out["warnings"].get<std::vector<json>>();
  std::sort(warnings.begin(), warnings.end());
  warnings.erase(std::unique(warnings.begin(), warnings.end()), warnings.end());
  out["warnings"] = warnings;
  out.erase("build_error");
  return out;
}

constexpr const char* kLostExpectation =
    "the case was taken from a test whose expected warnings (MultipleInstructionsDisallowed) come from a function, and "
    "were lost on the way";

TEST(Vectors, DockerfileLint) {
  test::check_vectors(
      "dockerfile-lint",
      [](const json& in) {
        CheckOptions options;
        const json given = in.value("options", json::object());
        for (const auto& [key, value] : given.items()) {
          if (key.starts_with("build-arg:")) options.build_args[key.substr(10)] = value.get<std::string>();
        }
        oci::Platform host = oci::Platform::parse("linux/amd64");
        options.platform_args = platform_args(host, host);
        IgnoreRules ignored(parse_ignore_file(in.value("dockerignore", std::string())));
        if (!ignored.empty()) options.ignored = &ignored;
        CheckReport report = check_containerfile(in["dockerfile"].get<std::string>(), options);
        json out = {{"warnings", json::array()}};
        for (const Warning& warning : report.warnings) out["warnings"].push_back(warning_json(warning));
        return out;
      },
      {{"dockerfile-lint/035", "the lines expected are those of a shorter file of the same test"},
       {"dockerfile-lint/054", kLostExpectation},
       {"dockerfile-lint/055", kLostExpectation}},
      as_set);
}

}  // namespace
}  // namespace proa::build
