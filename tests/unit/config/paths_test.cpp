#include "libcommon/config/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::config {
namespace {

// A home directory of its own, and the variables that choose directories set to nothing else.
class PathsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) GTEST_SKIP() << "the rules for ordinary users are tested as one";
    char name[] = "/tmp/proa-paths-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    home_ = name;
    for (const char* variable : kVariables) {
      const char* value = std::getenv(variable);
      if (value) saved_[variable] = value;
      ::unsetenv(variable);
    }
    ::setenv("HOME", home_.c_str(), 1);
  }
  void TearDown() override {
    if (home_.empty()) return;
    ::chmod(home_.c_str(), 0700);
    os::remove_tree(home_);
    for (const char* variable : kVariables) ::unsetenv(variable);
    for (const auto& [variable, value] : saved_) ::setenv(variable.c_str(), value.c_str(), 1);
  }

  os::Path make(const std::string& name, mode_t mode = 0700) {
    os::Path path = home_ + "/" + name;
    os::make_dirs(path);
    ::chmod(path.c_str(), mode);
    return path;
  }

  static constexpr const char* kVariables[] = {"HOME",           "XDG_DATA_HOME",   "XDG_RUNTIME_DIR",
                                               "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PROA_ROOT",
                                               "PROA_RUNROOT",   "PROA_CACHE",      "PROA_CONFIG"};
  os::Path home_;
  std::map<std::string, std::string> saved_;
};

ErrorCode refusal(const Paths& paths) {
  try {
    paths.make();
  } catch (const Error& error) {
    EXPECT_FALSE(error.hint().empty()) << error.text();
    return error.code();
  }
  ADD_FAILURE() << "was accepted";
  return ErrorCode::Internal;
}

TEST_F(PathsTest, FollowsTheXdgDefaults) {
  Paths paths = find_paths();
  EXPECT_EQ(paths.data, home_ + "/.local/share/proa");
  EXPECT_EQ(paths.cache, home_ + "/.cache/proa");
  EXPECT_EQ(paths.config, home_ + "/.config/proa");
}

TEST_F(PathsTest, FollowsTheXdgVariablesButNotRelativeOnes) {
  ::setenv("XDG_DATA_HOME", make("d").c_str(), 1);
  ::setenv("XDG_RUNTIME_DIR", make("r").c_str(), 1);
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  Paths paths = find_paths();
  EXPECT_EQ(paths.data, home_ + "/d/proa");
  EXPECT_EQ(paths.run, home_ + "/r/proa");
  EXPECT_EQ(paths.cache, home_ + "/.cache/proa");
}

TEST_F(PathsTest, FlagsWinOverVariables) {
  ::setenv("PROA_ROOT", "/from/environment", 1);
  ::setenv("PROA_RUNROOT", "/run/environment", 1);
  EXPECT_EQ(find_paths().data, "/from/environment");
  EXPECT_EQ(find_paths().run, "/run/environment");
  EXPECT_EQ(find_paths().cache, "/from/environment/cache");
  Paths paths = find_paths({.root = "/from/flag", .runroot = "/run/flag"});
  EXPECT_EQ(paths.data, "/from/flag");
  EXPECT_EQ(paths.run, "/run/flag");
}

TEST_F(PathsTest, RelativeRootCountsFromTheWorkingDirectory) {
  EXPECT_EQ(find_paths({.root = "x/y", .runroot = {}}).data, std::filesystem::current_path().string() + "/x/y");
}

TEST_F(PathsTest, ChildrenChooseTheSame) {
  Paths paths = find_paths();
  paths.export_to_environment();
  ::setenv("HOME", "/elsewhere", 1);
  Paths again = find_paths();
  EXPECT_EQ(again.data, paths.data);
  EXPECT_EQ(again.run, paths.run);
  EXPECT_EQ(again.cache, paths.cache);
  EXPECT_EQ(again.config, paths.config);
}

TEST_F(PathsTest, IgnoresDirectoriesOfAnotherUser) {
  ::setenv("XDG_DATA_HOME", "/usr", 1);
  ::setenv("XDG_RUNTIME_DIR", "/run", 1);
  Paths paths = find_paths();
  EXPECT_EQ(paths.data, home_ + "/.local/share/proa");
  EXPECT_NE(paths.run, "/run/proa");
}

TEST_F(PathsTest, IgnoresHomeOfAnotherUser) {
  ::setenv("HOME", "/usr", 1);
  ::testing::internal::CaptureStderr();
  const Paths paths = find_paths();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_FALSE(paths.data.starts_with("/usr/")) << paths.data;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_NE(said.find("HOME is /usr, which belongs to another user"), std::string::npos) << said;
}

TEST_F(PathsTest, SaysOnceWhatIsWorthOneLine) {
  const Paths paths = find_paths({.root = home_ + "/store", .runroot = home_ + "/run"});
  paths.make();
  EXPECT_TRUE(paths.first_time("this"));
  EXPECT_FALSE(paths.first_time("this"));
  EXPECT_TRUE(paths.first_time("that"));
}

TEST_F(PathsTest, RunDirectoryThatOthersMayWriteToIsNotUsed) {
  ::setenv("XDG_RUNTIME_DIR", make("shared", 0777).c_str(), 1);
  EXPECT_FALSE(find_paths().run.starts_with(home_ + "/shared"));
}

TEST_F(PathsTest, MakesPrivateDirectories) {
  Paths paths = find_paths({.root = home_ + "/store", .runroot = home_ + "/run"});
  paths.make();
  for (const auto& path : {paths.data, paths.run, paths.cache}) {
    EXPECT_EQ(os::stat(path).st_mode & 07777, 0700u) << path;
  }
  paths.make();  // again is fine
}

TEST_F(PathsTest, SweepsRunDirectoriesOfEarlierBoots) {
  Paths paths = find_paths({.root = home_ + "/store", .runroot = home_ + "/store/run/thisboot"});
  os::make_dirs(home_ + "/store/run/earlier/containers");
  paths.make();
  EXPECT_TRUE(os::exists(home_ + "/store/run/thisboot"));
  EXPECT_FALSE(os::exists(home_ + "/store/run/earlier"));
}

TEST_F(PathsTest, RefusesUnwritableHome) {
  ::chmod(home_.c_str(), 0500);
  EXPECT_EQ(refusal(find_paths()), ErrorCode::PermissionDenied);
}

TEST_F(PathsTest, RefusesDirectoryThatOthersMayWriteTo) {
  EXPECT_EQ(refusal(find_paths({.root = make("open", 0777), .runroot = home_ + "/run"})), ErrorCode::PermissionDenied);
}

TEST_F(PathsTest, RefusesDirectoryOfAnotherUser) {
  EXPECT_EQ(refusal(find_paths({.root = "/usr", .runroot = home_ + "/run"})), ErrorCode::PermissionDenied);
}

TEST_F(PathsTest, RefusesFileAsDirectory) {
  os::Path file = home_ + "/file";
  os::write_all(os::open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600).get(), "x", file);
  EXPECT_EQ(refusal(find_paths({.root = file, .runroot = home_ + "/run"})), ErrorCode::InvalidArgument);
}

TEST_F(PathsTest, NewlineInRootIsRefused) { EXPECT_THROW(find_paths({.root = "/a\nb", .runroot = {}}), Error); }

}  // namespace
}  // namespace proa::config
