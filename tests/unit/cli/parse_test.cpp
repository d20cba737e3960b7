#include "libcommon/cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proa::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Options {
  bool interactive = false;
  bool tty = false;
  std::optional<bool> remove;
  std::vector<std::string> env;
  std::string format;
  std::optional<int> time;
  std::string pull;
  std::vector<std::string> words;
};

Command sample() {
  return command<Options>("run", "Run a command in a new container")
      .flag("interactive,i", &Options::interactive, "Keep stdin open")
      .flag("tty,t", &Options::tty, "Allocate a terminal")
      .flag("rm", &Options::remove, "Remove afterwards")
      .value("env,e", &Options::env, "Set a variable", "KEY=VALUE")
      .value("format", &Options::format, "Output", "TEMPLATE")
      .value("time", &Options::time, "Seconds", "SECONDS")
      .value("pull", &Options::pull, "When to pull", "WHEN")
      .implicit("always")
      .positionals("IMAGE [ARG...]", &Options::words, 1, kAnyNumber)
      .options_end_at_first_positional()
      .runs([](Context&, const Options&) { return 0; });
}

Options parsed(const std::vector<std::string>& words) {
  return *static_cast<Options*>(parse(sample(), words).options.get());
}

std::string failure(const std::vector<std::string>& words) {
  try {
    parse(sample(), words);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.text() + " | " + error.hint();
  }
  return "accepted";
}

TEST(Parse, FlagsAfterTheFirstPositionalBelongToTheCommand) {
  Options options = parsed({"-i", "image", "sh", "-t", "--rm", "", "--"});
  EXPECT_TRUE(options.interactive);
  EXPECT_FALSE(options.tty);
  EXPECT_THAT(options.words, ElementsAre("image", "sh", "-t", "--rm", "", "--"));
}

TEST(Parse, ShortFlagsGroupAndTakeAttachedValues) {
  Options options = parsed({"-it", "-eA=1", "-e", "B=x,y", "-e=C=", "--env=D=--e", "image"});
  EXPECT_TRUE(options.interactive);
  EXPECT_TRUE(options.tty);
  EXPECT_THAT(options.env, ElementsAre("A=1", "B=x,y", "C=", "D=--e"));
}

TEST(Parse, SwitchesTakeAValueOnlyWithEquals) {
  EXPECT_EQ(parsed({"--rm=false", "image"}).remove, false);
  EXPECT_EQ(parsed({"--rm", "false"}).remove, true);
  EXPECT_EQ(parsed({"-i=false", "image"}).interactive, false);
  EXPECT_THAT(failure({"--rm=maybe", "image"}), HasSubstr("invalid value 'maybe' for --rm: neither true nor false"));
}

TEST(Parse, OptionalValuesHaveAnImplicitOne) {
  EXPECT_EQ(parsed({"--pull", "image"}).pull, "always");
  EXPECT_EQ(parsed({"--pull=never", "image"}).pull, "never");
}

TEST(Parse, EmptyValuesAndArgumentsAreKept) {
  Options options = parsed({"--format", "", "--env=", "image", ""});
  EXPECT_EQ(options.format, "");
  EXPECT_THAT(options.env, ElementsAre(""));
  EXPECT_THAT(options.words, ElementsAre("image", ""));
}

TEST(Parse, DoubleDashEndsFlags) { EXPECT_THAT(parsed({"--", "-i"}).words, ElementsAre("-i")); }

TEST(Parse, ErrorsNameTheFlag) {
  EXPECT_THAT(failure({"--intractive", "image"}),
              HasSubstr("unknown flag: --intractive | did you mean --interactive?"));
  EXPECT_THAT(failure({"-x", "image"}), HasSubstr("unknown flag: -x"));
  EXPECT_THAT(failure({"--time", "soon", "image"}),
              HasSubstr("invalid value 'soon' for --time: not a number in range"));
  EXPECT_THAT(failure({"--time"}), HasSubstr("flag needs an argument: --time"));
  EXPECT_THAT(failure({}), HasSubstr("run needs an argument: IMAGE [ARG...]"));
}

TEST(Parse, LastValueOfASingleFlagWins) { EXPECT_EQ(parsed({"--time", "1", "--time=2", "image"}).time, 2); }

}  // namespace
}  // namespace proa::cli
