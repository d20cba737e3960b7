#include "tests/unit/archive/layer_fixture.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <fstream>
#include <iostream>

namespace proa::archive {
namespace {

std::optional<os::IdMode> mode;

// Before any test, while the process has one thread.
class UserNamespace final : public ::testing::Environment {
 public:
  void SetUp() override {
    try {
      mode = os::enter_user_namespace(os::plan_user_namespace()).mode;
    } catch (const Error& error) {
      std::cerr << "no user namespace: " << error.what() << "\n";
    }
  }
};

const auto* const kNamespace = ::testing::AddGlobalTestEnvironment(new UserNamespace);

}  // namespace

std::optional<os::IdMode> entered_mode() { return mode; }

LayerTest::LayerTest() {
  std::filesystem::create_directories(canary("d/sub"));
  std::filesystem::create_directory(root());
  std::ofstream(canary("victim")) << "precious";
  std::ofstream(canary("d/sub/file")) << "precious";
  std::filesystem::create_symlink("victim", canary("link"));
  canary_before_ = proa::testing::describe_tree(canary());
}

void LayerTest::SetUp() {
  if (!mode) GTEST_SKIP() << "needs a user namespace";
  options_.mode = *mode;
}

void LayerTest::TearDown() {
  EXPECT_EQ(proa::testing::describe_tree(canary()), canary_before_) << "something outside was touched";
}

ApplyResult LayerTest::apply(const std::string& tar) {
  io::MemorySource source(tar);
  return apply_layer(source, os::Dir::open(root()), options_);
}

std::string LayerTest::refusal(const std::string& tar, ErrorCode code) {
  try {
    apply(tar);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return std::string(error.what()) + (error.hint().empty() ? "" : " hint: " + error.hint());
  }
  ADD_FAILURE() << "was not refused";
  return "";
}

std::string LayerTest::make(MakeOptions options) {
  io::StringSink out;
  make_layer(os::Dir::open(root()), out, options);
  return out.text();
}

struct stat LayerTest::info(const std::string& path) const {
  struct stat result {};
  EXPECT_EQ(::lstat(root(path).c_str(), &result), 0) << path;
  return result;
}

std::optional<std::string> LayerTest::xattr(const std::string& path, const std::string& name) const {
  std::string value(1000, '\0');
  ssize_t size = ::lgetxattr(root(path).c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(size));
  return value;
}

bool LayerTest::is_whiteout(const std::string& path) const {
  auto found = info(path);
  return S_ISCHR(found.st_mode) && found.st_rdev == makedev(0, 0);
}

}  // namespace proa::archive
