#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "libcommon/base/error.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/ignore.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& action, ErrorCode* code = nullptr) {
  try {
    action();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.what();
  }
  return "";
}

// Of the processor: other work on the machine does not count. Bounds are far above what is needed, also under
// sanitizers, and far below what exponential time would take.
class Seconds {
 public:
  double passed() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

TEST(Containerfile, ErrorsNameFileAndLine) {
  EXPECT_THAT(error_of([] { parse_containerfile("FROM scratch\n\nCOPPY a b\n", "dir/File"); }),
              AllOf(HasSubstr("dir/File:3"), HasSubstr("unknown instruction: COPPY (did you mean COPY?)")));
  EXPECT_THAT(error_of([] { parse_containerfile("RUN true\n"); }), HasSubstr("before the first FROM"));
}

TEST(Containerfile, ControlBytesInErrorsAreEscaped) {
  std::string text = error_of([] { parse_containerfile("FROM scratch\n\x1b[31mX y\n"); });
  EXPECT_THAT(text, HasSubstr("\\x1b"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Containerfile, UnterminatedHeredocIsRefused) {
  EXPECT_THAT(error_of([] { parse_containerfile("FROM a\nRUN <<EOF\nx\n"); }), HasSubstr("EOF of line 2 has no end"));
}

TEST(Containerfile, DeepOnbuildDoesNotRecurse) {
  std::string line;
  for (int i = 0; i < 8000; ++i) line += "ONBUILD ";
  EXPECT_THAT(error_of([&] { parse_containerfile("FROM a\n" + line + "RUN x\n"); }), HasSubstr("Chaining ONBUILD"));
}

TEST(Containerfile, LinesHaveACeiling) {
  ErrorCode code{};
  error_of([&] { parse_containerfile("FROM a\nRUN " + std::string(kMaxLine, 'x') + "\n"); }, &code);
  EXPECT_EQ(code, ErrorCode::LimitExceeded);
}

TEST(Containerfile, OnbuildKeepsItsHeredoc) {
  Containerfile file = parse_containerfile("FROM a\nONBUILD RUN <<EOF\necho hi\nEOF\n");
  EXPECT_EQ(std::get<OnBuild>(file.stages[0].instructions[0].meaning).expression, "RUN <<EOF\necho hi\nEOF");
}

TEST(Expand, DoublingsEndAtTheCeiling) {
  Seconds time;
  Variables variables{{"A", "x"}};
  ErrorCode code{};
  error_of(
      [&] {
        for (int i = 0; i < 60; ++i) variables["A"] = expand("$A$A", variables).text;
      },
      &code);
  EXPECT_EQ(code, ErrorCode::LimitExceeded);
  EXPECT_LT(time.passed(), 5.0);
}

TEST(Expand, TwentyThousandNestedFormsNeedNoStack) {
  std::string word;
  for (int i = 0; i < 20000; ++i) word += "${A:-";
  std::string closed = word + "x" + std::string(20000, '}');
  EXPECT_EQ(expand(closed, {}).text, "x");
  EXPECT_THAT(error_of([&] { expand(word, {}); }), HasSubstr("missing '}'"));
}

TEST(Expand, CostlyPatternsAreCutOff) {
  Seconds time;
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  Variables variables{{"V", std::string(60000, 'a')}};
  ErrorCode code{};
  error_of([&] { expand("${V//" + pattern + "b/x}", variables); }, &code);
  EXPECT_EQ(code, ErrorCode::LimitExceeded);
  EXPECT_LT(time.passed(), 10.0);
}

TEST(Expand, SuffixAndReplacement) {
  Variables variables{{"F", "a/b/c.tar.gz"}, {"E", ""}};
  EXPECT_EQ(expand("${F%.*}", variables).text, "a/b/c.tar");
  EXPECT_EQ(expand("${F%%.*}", variables).text, "a/b/c");
  EXPECT_EQ(expand("${F##*/}", variables).text, "c.tar.gz");
  EXPECT_EQ(expand("${F//\\//-}", variables).text, "a-b-c.tar.gz");
  EXPECT_EQ(expand("${E:-'q $F'}", variables).text, "q $F");
  EXPECT_EQ(expand("\"${E:+x}${F:+y}\"", variables).text, "y");
}

TEST(Ignore, ManyStarsTakeLinearTime) {
  Seconds time;
  std::vector<std::string> patterns;
  std::string stars, path;
  for (int i = 0; i < 20; ++i) {
    stars += "**/*a*/";
    path += "aaaaaaaaaa/";
  }
  for (int i = 0; i < 50; ++i) patterns.push_back(stars + "x" + std::to_string(i));
  IgnoreRules rules(patterns);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(rules.ignores(path + "file"));
  EXPECT_LT(time.passed(), 10.0);
}

TEST(Ignore, LastMatchDecides) {
  IgnoreRules rules({"*", "!src", "src/*.o"});
  EXPECT_TRUE(rules.ignores("a"));
  EXPECT_FALSE(rules.ignores("src/a.c"));
  EXPECT_TRUE(rules.ignores("src/a.o"));
  EXPECT_TRUE(rules.has_exceptions());
  EXPECT_FALSE(IgnoreRules({"../x"}).ignores("x"));
}

TEST(Mount, OptionsAreTyped) {
  MountRequest mount = parse_mount("type=cache,target=/c,id=x,sharing=locked,mode=0755,uid=7");
  EXPECT_EQ(mount.type, MountType::Cache);
  EXPECT_FALSE(mount.read_only);
  EXPECT_EQ(mount.mode, 0755u);
  EXPECT_EQ(*mount.sharing, CacheSharing::Locked);
  EXPECT_TRUE(parse_mount("target=/x").read_only);
  EXPECT_FALSE(parse_mount("target=/x,rw").read_only);
  for (const char* bad :
       {"type=bind", "type=evil,target=/x", "target=/x,bind-propagation=shared", "type=secret", "target=/x,mode=7",
        "type=cache,target=/x,uid=4294967295", "target=/x,ro=maybe", "type=tmpfs,target=/x,size=-1"}) {
    EXPECT_THROW(parse_mount(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace proa::build
