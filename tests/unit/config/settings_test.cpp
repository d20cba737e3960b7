#include "libcommon/config/settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "libcommon/base/error.h"

namespace proa::config {
namespace {

TEST(Settings, AreRead) {
  Settings settings = parse_settings(
      "log_level = \"debug\"\n[run]\nruntime = \"crun\"\nnetwork = \"none\"\nstop_timeout = 0\n[copy]\njobs = 4\n",
      "x");
  EXPECT_EQ(settings,
            (Settings{.log_level = "debug", .runtime = "crun", .network = "none", .stop_timeout = 0, .jobs = 4}));
  EXPECT_EQ(parse_settings("", "x"), Settings());
}

struct Bad {
  const char* text;
  const char* message;
};

class BadSettings : public testing::TestWithParam<Bad> {};

TEST_P(BadSettings, NameFileLineAndKey) {
  try {
    parse_settings(GetParam().text, "proa.toml");
    FAIL() << GetParam().text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_TRUE(error.text().starts_with(GetParam().message)) << error.text();
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadSettings,
                         testing::Values(Bad{"\n[run]\nruntim = \"x\"", "proa.toml:3: unknown setting \"run.runtim\""},
                                         Bad{"[run]\nruntime = 1", "proa.toml:2: run.runtime is not a text"},
                                         Bad{"[copy]\njobs = 0", "proa.toml:2: copy.jobs is not a whole number from 1"},
                                         Bad{"[copy]\njobs = \"4\"", "proa.toml:2: copy.jobs"},
                                         Bad{"run = 1", "proa.toml:1: run is not a section"},
                                         Bad{"a = = b", "proa.toml:1: "},
                                         Bad{"[x]", "proa.toml:1: unknown setting \"x\""}));

TEST(Settings, MissingFileIsNoError) {
  Paths paths{.data = "/nonexistent", .run = "/nonexistent", .cache = "/nonexistent", .config = "/nonexistent"};
  EXPECT_EQ(load_settings(paths), Settings());
}

// threats.md rule 9: nothing blocks on a FIFO.
TEST(Settings, FifoIsRefusedAtOnce) {
  char folder[] = "/tmp/proa-settings-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  std::string fifo = std::string(folder) + "/proa.toml";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Paths paths{.data = "/nonexistent", .run = "/nonexistent", .cache = "/nonexistent", .config = folder};
  EXPECT_THROW(load_settings(paths), Error);
  os::remove_tree(folder);
}

}  // namespace
}  // namespace proa::config
