#include "libcommon/config/auth.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tests/support/environment.h"

namespace proa::config {
namespace {

class AuthFile : public ::testing::Test {
 protected:
  AuthFile() {
    for (const char* name : {"REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF"})
      environment.set(name, std::nullopt);
    environment.set("HOME", home.path());
    environment.set("XDG_CONFIG_HOME", home.path(".config"));
    environment.set("XDG_RUNTIME_DIR", home.path("run"));
  }
  static std::string entry(const std::string& key, const std::string& user) {
    return "\"" + key + "\":{\"auth\":\"" + base64_encode(user + ":pw:" + user) + "\"}";
  }
  static std::string auths(const std::string& entries) { return "{\"auths\":{" + entries + "}}"; }
  static std::string user_for(const std::string& name) {
    const auto found = find_credentials(name);
    return found ? found->username : "-";
  }
  // docker-credential-NAME keeps secrets in files below $HOME/NAME.
  void make_helper(const std::string& name) {
    const std::string program = home.write("bin/docker-credential-" + name, R"sh(#!/bin/sh
read -r input
kept=$HOME/NAME; mkdir -p "$kept"
key=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr / _)
case "$1" in
store) printf %s "$input" >"$kept/$key" ;;
get) if [ -e "$kept/$key" ]; then cat "$kept/$key"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm "$kept/$key" || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
)sh");
    home.write("bin/docker-credential-" + name, replace_all(home.read("bin/docker-credential-" + name), "NAME", name));
    ASSERT_EQ(::chmod(program.c_str(), 0755), 0);
    environment.set("PATH", home.path("bin") + ":" + ::getenv("PATH"));
  }
  bool exists(const std::string& name) const { return std::filesystem::exists(home.path(name)); }
  testing::TempDir home;
  testing::Environment environment;
};

TEST_F(AuthFile, LongestPrefixWins) {
  home.write("run/containers/auth.json", auths(entry("quay.io", "host") + "," + entry("quay.io/org", "org") + "," +
                                               entry("quay.io/org/app", "app")));
  EXPECT_EQ(user_for("quay.io/org/app"), "app");
  EXPECT_EQ(user_for("quay.io/org/other"), "org");
  EXPECT_EQ(user_for("quay.io/organisation/app"), "host");
  EXPECT_EQ(user_for("quay.io"), "host");
  EXPECT_EQ(user_for("quay.io:443/org/app"), "-");
  EXPECT_EQ(user_for("evil.quay.io"), "-");
  EXPECT_EQ(find_credentials("quay.io")->password, "pw:host");
}

TEST_F(AuthFile, FilesAreReadInOrder) {
  home.write(".docker/config.json",
             auths(entry("a.example", "docker") + "," + entry("https://index.docker.io/v1/", "hub")));
  EXPECT_EQ(user_for("a.example"), "docker");
  EXPECT_EQ(user_for("docker.io/library/busybox"), "hub");
  home.write(".config/containers/auth.json", auths(entry("a.example", "config")));
  EXPECT_EQ(user_for("a.example"), "config");
  home.write("run/containers/auth.json", auths(entry("a.example", "run")));
  EXPECT_EQ(user_for("a.example"), "run");
  environment.set("REGISTRY_AUTH_FILE", home.write("own.json", "{}"));
  EXPECT_EQ(user_for("a.example"), "-");
}

TEST_F(AuthFile, BrokenOnesAreNamedWithoutTheirContents) {
  for (const char* text :
       {"secret-text", "[\"secret-text\"]", R"({"auths":{"a.example":{"auth":"c2VjcmV0LXRleHQ="}}})"}) {
    const auto path = home.write("run/containers/auth.json", text);
    try {
      find_credentials("a.example");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
      EXPECT_NE(error.text().find(path), std::string::npos);
      EXPECT_EQ(error.text().find("secret-text"), std::string::npos);
    }
  }
}

TEST_F(AuthFile, EndlessAndBlockingFilesAreRefused) {
  environment.set("REGISTRY_AUTH_FILE", "/dev/zero");
  EXPECT_THROW(find_credentials("a.example"), Error);
  ASSERT_EQ(::mkfifo(home.path("fifo").c_str(), 0600), 0);
  environment.set("REGISTRY_AUTH_FILE", home.path("fifo"));
  EXPECT_THROW(find_credentials("a.example"), Error);
}

TEST_F(AuthFile, LoginIsForTheUserAloneAndKeepsTheRest) {
  home.write("run/containers/auth.json",
             R"({"other":1,"auths":{"https://a.example/v2/":{"auth":"eDp5"},"b.example":{"auth":"eDp5"}}})");
  EXPECT_EQ(store_credentials("a.example", {.username = "new", .password = "p"}),
            home.path("run/containers/auth.json"));
  struct stat status {};
  ASSERT_EQ(::stat(home.path("run/containers/auth.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(user_for("a.example"), "new");
  EXPECT_EQ(user_for("b.example"), "x");
  EXPECT_NE(home.read("run/containers/auth.json").find("\"other\": 1"), std::string::npos);
  EXPECT_EQ(credential_keys().size(), 2U);
  EXPECT_TRUE(remove_credentials("a.example"));
  EXPECT_FALSE(remove_credentials("a.example"));
  EXPECT_EQ(user_for("a.example"), "-");
  remove_all_credentials();
  EXPECT_TRUE(credential_keys().empty());
}

TEST_F(AuthFile, LinkStaysALink) {
  home.write("real.json", "{}");
  environment.set("REGISTRY_AUTH_FILE", home.path("link.json"));
  std::filesystem::create_symlink("real.json", home.path("link.json"));
  store_credentials("a.example", {.username = "new", .password = "p"});
  EXPECT_TRUE(std::filesystem::is_symlink(home.path("link.json")));
  EXPECT_NE(home.read("real.json").find("a.example"), std::string::npos);
}

TEST_F(AuthFile, LoginsAtOnceLoseNothing) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [i] { store_credentials("host" + std::to_string(i) + ".example", {.username = "u", .password = "p"}); });
  }
  threads.clear();
  EXPECT_EQ(credential_keys().size(), 8U);
}

TEST_F(AuthFile, HelpersAreAsked) {
  home.write("bin/docker-credential-fake", R"(#!/bin/sh
read -r input
echo "$1 $input" >>"$HOME/log"
case "$1 $input" in
"get a.example") echo '{"ServerURL":"a.example","Username":"helped","Secret":"s"}' ;;
"get token.example") echo '{"Username":"<token>","Secret":"refresh"}' ;;
get*) echo "credentials not found in native keychain"; exit 1 ;;
esac
)");
  ASSERT_EQ(::chmod(home.path("bin/docker-credential-fake").c_str(), 0755), 0);
  environment.set("PATH", home.path("bin") + ":" + ::getenv("PATH"));
  home.write("run/containers/auth.json", R"({"credHelpers":{"a.example":"fake","c.example":"fake"}})");
  home.write(".docker/config.json", R"({"credsStore":"fake","auths":{"a.example":{}}})");
  EXPECT_EQ(user_for("a.example/app"), "helped");
  EXPECT_EQ(find_credentials("token.example")->identity_token, "refresh");
  EXPECT_EQ(user_for("none.example"), "-");
  EXPECT_EQ(store_credentials("c.example", {.username = "u", .password = "p"}), "docker-credential-fake");
  EXPECT_NE(home.read("log").find("store {\"Secret\":\"p\",\"ServerURL\":\"c.example\",\"Username\":\"u\"}"),
            std::string::npos);
  EXPECT_EQ(home.read("run/containers/auth.json").find("auths"), std::string::npos);
}

TEST_F(AuthFile, StoreOfDockersFileKeepsItsSecrets) {
  make_helper("safe");
  environment.set("REGISTRY_AUTH_FILE", home.write("config.json", R"({"credsStore":"safe"})"));
  EXPECT_EQ(store_credentials("docker.io", {.username = "u", .password = "secret"}), "docker-credential-safe");
  EXPECT_EQ(home.read("config.json").find("auth\""), std::string::npos);
  EXPECT_NE(home.read("config.json").find("\"https://index.docker.io/v1/\": {}"), std::string::npos);
  EXPECT_TRUE(exists("safe/https:__index.docker.io_v1_"));
  EXPECT_EQ(user_for("docker.io/library/app"), "u");
  // A namespace is nothing that the store could tell apart.
  EXPECT_EQ(store_credentials("quay.io/org", {.username = "o", .password = "p"}), home.path("config.json"));
  EXPECT_EQ(user_for("quay.io/org/app"), "o");
  EXPECT_TRUE(remove_credentials("docker.io"));
  EXPECT_FALSE(exists("safe/https:__index.docker.io_v1_"));
  EXPECT_FALSE(remove_credentials("docker.io"));
  store_credentials("a.example", {.username = "u", .password = "p"});
  remove_all_credentials();
  EXPECT_FALSE(exists("safe/a.example"));
  EXPECT_EQ(user_for("quay.io/org/app"), "-");
}

TEST_F(AuthFile, HelpersOfRegistriesConfAreAskedInOrder) {
  make_helper("first");
  home.write(".config/containers/registries.conf", "credential-helpers = ['first', 'containers-auth.json']");
  home.write("run/containers/auth.json", auths(entry("a.example", "filed") + "," + entry("b.example", "filed")));
  EXPECT_EQ(store_credentials("a.example", {.username = "helped", .password = "p"}), "docker-credential-first");
  EXPECT_EQ(user_for("a.example/app"), "helped");
  EXPECT_EQ(user_for("b.example/app"), "filed");
  EXPECT_TRUE(remove_credentials("a.example"));
  EXPECT_EQ(user_for("a.example/app"), "-");
}

TEST_F(AuthFile, SaysWhichFileHasThem) {
  home.write(".docker/config.json", auths(entry("a.example", "u")));
  EXPECT_FALSE(remove_credentials("a.example"));
  EXPECT_EQ(file_with_credentials("a.example"), home.path(".docker/config.json"));
  EXPECT_EQ(file_with_credentials("b.example"), std::nullopt);
}

TEST_F(AuthFile, HelperNamesAreNoPaths) {
  home.write("run/containers/auth.json", R"({"credHelpers":{"a.example":"x/../../../bin/sh"}})");
  try {
    find_credentials("a.example");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
  }
}

TEST(Credentials, AreParsed) {
  EXPECT_EQ(Credentials::parse("user:pass:word"), (Credentials{.username = "user", .password = "pass:word"}));
  EXPECT_EQ(Credentials::parse("user").password, "");
  EXPECT_THROW(Credentials::parse(":x"), Error);
}

TEST(Base64, RoundTrips) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\x01"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_decode("Zm8"), "fo");
  EXPECT_EQ(base64_decode("Zm8*"), std::nullopt);
  EXPECT_EQ(base64_decode("Z"), std::nullopt);
}

}  // namespace
}  // namespace proa::config
