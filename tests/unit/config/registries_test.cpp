#include "libcommon/config/registries.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "tests/support/environment.h"

namespace proa::config {
namespace {

oci::Reference named(const std::string& text) { return oci::Reference::parse_normalized(text); }

std::string shown(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const auto& endpoint : endpoints) {
    text += (text.empty() ? "" : " ") + endpoint.host + "/" + endpoint.repository + (endpoint.insecure ? "!" : "") +
            (endpoint.mirror ? "~" : "");
  }
  return text;
}

TEST(Registries, NothingConfiguredMeansTheReferenceItself) {
  const auto empty = Registries::parse("", "x");
  EXPECT_EQ(shown(empty.endpoints(named("quay.io/org/app:1"))), "quay.io/org/app");
  ASSERT_EQ(empty.candidates("busybox").size(), 1U);
  EXPECT_EQ(empty.candidates("busybox:1")[0].str(), "docker.io/library/busybox:1");
}

TEST(Registries, LongestPrefixDecidesAndLocationTakesItsPlace) {
  const auto registries = Registries::parse(R"(
[[registry]]
prefix = "example.com"
location = "mirror.example.net/all"
[[registry]]
prefix = "example.com/org"
location = "other.example:5000/x"
insecure = true
[[registry]]
prefix = "*.wild.example"
insecure = true
[[registry]]
location = "localhost:5000"
insecure = true
)",
                                            "x");
  EXPECT_EQ(shown(registries.endpoints(named("example.com/app"))), "mirror.example.net/all/app");
  EXPECT_EQ(shown(registries.endpoints(named("example.com/org/app:1"))), "other.example:5000/x/app!");
  EXPECT_EQ(shown(registries.endpoints(named("example.com/organisation/app"))),
            "mirror.example.net/all/organisation/app");
  EXPECT_EQ(shown(registries.endpoints(named("a.b.wild.example/app"))), "a.b.wild.example/app!");
  EXPECT_EQ(shown(registries.endpoints(named("evilwild.example/app"))), "evilwild.example/app");
  EXPECT_EQ(shown(registries.endpoints(named("localhost:5000/app"))), "localhost:5000/app!");
  EXPECT_EQ(shown(registries.endpoints(named("localhost:50001/app"))), "localhost:50001/app");
  EXPECT_THROW(registries.endpoints(named("example.com:8080/app")),
               Error);  // mirror.example.net/all:8080/app is no name
}

TEST(Registries, PrefixesEndAtTheBordersOfAName) {
  const auto registries = Registries::parse(R"(
[[registry]]
prefix = "*.wild.example"
location = "gate.example"
[[registry]]
prefix = "host.example"
blocked = true
[[registry]]
prefix = "tags.example/app:old"
blocked = true
)",
                                            "x");
  EXPECT_EQ(shown(registries.endpoints(named("a.b.wild.example/app:1"))), "gate.example/app");
  EXPECT_EQ(shown(registries.endpoints(named("a.wild.example:5000/app"))), "gate.example:5000/app");
  EXPECT_EQ(shown(registries.endpoints(named("wild.example/app"))), "wild.example/app");
  EXPECT_EQ(shown(registries.endpoints(named("other.example/a.wild.example/app"))), "other.example/a.wild.example/app");
  EXPECT_THROW(registries.primary(named("host.example:5000/app")), Error);
  EXPECT_EQ(registries.primary(named("host.example.net/app")).host, "host.example.net");
  EXPECT_THROW(registries.primary(named("tags.example/app:old")), Error);
  EXPECT_EQ(registries.primary(named("tags.example/app:older")).repository, "app");
}

TEST(Registries, MirrorsComeFirstAndOnlyForReading) {
  const auto registries = Registries::parse(R"(
[[registry]]
prefix = "docker.io"
[[registry.mirror]]
location = "10.0.0.1:5000"
insecure = true
[[registry.mirror]]
location = "digests.example/hub"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.example"
pull-from-mirror = "tag-only"
)",
                                            "x");
  const std::string digest(64, 'a');
  EXPECT_EQ(shown(registries.endpoints(named("busybox"))),
            "10.0.0.1:5000/library/busybox!~ tags.example/library/busybox~ docker.io/library/busybox");
  EXPECT_EQ(shown(registries.endpoints(named("busybox@sha256:" + digest))),
            "10.0.0.1:5000/library/busybox!~ digests.example/hub/library/busybox~ docker.io/library/busybox");
  EXPECT_EQ(registries.primary(named("busybox")).host, "docker.io");
}

TEST(Registries, BlockedIsRefused) {
  const auto registries = Registries::parse("[[registry]]\nprefix = \"docker.io\"\nblocked = true\n", "x");
  EXPECT_THROW(registries.endpoints(named("busybox")), Error);
  EXPECT_THROW(registries.primary(named("busybox")), Error);
}

TEST(Registries, ShortNames) {
  const auto registries = Registries::parse(R"(
unqualified-search-registries = ["one.example", "docker.io"]
[aliases]
"debian" = "docker.io/library/debian"
"org/tool" = "quay.io/org/tool"
)",
                                            "x");
  const auto found = registries.candidates("app:2");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].str(), "one.example/app:2");
  EXPECT_EQ(found[1].str(), "docker.io/library/app:2");
  ASSERT_EQ(registries.candidates("debian:12").size(), 1U);
  EXPECT_EQ(registries.candidates("debian:12")[0].str(), "docker.io/library/debian:12");
  EXPECT_EQ(registries.candidates("org/tool")[0].name(), "quay.io/org/tool");
  for (const char* full : {"localhost/app", "host:5000/app", "quay.io/app"})
    EXPECT_EQ(registries.candidates(full).size(), 1U) << full;
}

TEST(Registries, ShortNameModes) {
  const std::string both = "unqualified-search-registries = ['one.example', 'two.example']\n";
  const std::string alias = "[aliases]\n\"tool\" = \"three.example/tool\"\n";
  const auto enforcing = Registries::parse("short-name-mode = 'enforcing'\n" + both + alias, "x");
  try {
    (void)enforcing.candidates("app:1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("one.example/app:1, two.example/app:1"), std::string::npos);
  }
  EXPECT_EQ(enforcing.candidates("tool")[0].name(), "three.example/tool");
  EXPECT_EQ(enforcing.candidates("quay.io/app").size(), 1U);
  const auto one = Registries::parse("short-name-mode='enforcing'\nunqualified-search-registries=['one.example']", "x");
  EXPECT_EQ(one.candidates("app")[0].name(), "one.example/app");
  EXPECT_EQ(Registries::parse("short-name-mode = 'permissive'\n" + both, "x").candidates("app").size(), 2U);
  const auto disabled = Registries::parse("short-name-mode = 'disabled'\n" + both + alias, "x");
  EXPECT_EQ(disabled.candidates("tool")[0].name(), "one.example/tool");
}

TEST(Registries, MistakesAreNamedWithFileAndLine) {
  for (const char* text :
       {"short-name-mode = 'other'", "[[registry]]\nprefix='*.a.b/ns'", "[[registry]]\nprefix='a.*.b'",
        "[[registry]]\nprefix='a.b'\npull-from-mirror='all'",
        "[[registry]]\nprefix='a.b'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='x'\npull-from-mirror='"
        "all'",
        "[[registry]]\ninsecure = true", "x = ", "[/x]", "[registries.search]\nregistries = ['a']",
        "[[registry]]\nlocation = \"https://x\"", "[[registry]]\nprefix='a.b'\n[[registry.mirror]]\ninsecure=true",
        "[[registry]]\nprefix='a.b'\n[[registry.mirror]]\nlocation='x'\npull-from-mirror='never'"}) {
    try {
      Registries::parse(text, "/etc/some.conf");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
      EXPECT_NE(error.text().find("/etc/some.conf"), std::string::npos);
    }
  }
}

TEST(Registries, FilesOfTheUserAndDropIns) {
  testing::TempDir home;
  testing::Environment environment;
  environment.set("CONTAINERS_REGISTRIES_CONF", std::nullopt);
  environment.set("XDG_CONFIG_HOME", home.path());
  home.write("containers/registries.conf",
             "unqualified-search-registries = ['a.example']\n[[registry]]\nlocation='x.example'\n");
  home.write("containers/registries.conf.d/10.conf",
             "unqualified-search-registries = ['b.example']\n[[registry]]\nlocation='x.example'\ninsecure=true\n");
  home.write("containers/registries.conf.d/20.txt", "nonsense =");
  home.write("containers/registries.conf.d/30.conf", "[aliases]\n'one' = 'a.example/one'\n'two' = 'a.example/two'\n");
  environment.set("XDG_CACHE_HOME", home.path("cache"));
  if (::geteuid() != 0) {
    home.write("cache/containers/short-name-aliases.conf", "[aliases]\n'two' = 'chosen.example/two'\n");
    EXPECT_EQ(Registries::load().candidates("two:1")[0].str(), "chosen.example/two:1");
  }
  const auto registries = Registries::load();
  EXPECT_EQ(registries.candidates("one")[0].name(), "a.example/one");
  EXPECT_EQ(registries.search_registries(), std::vector<std::string>{"b.example"});
  EXPECT_EQ(shown(registries.endpoints(named("x.example/app"))), "x.example/app!");
  environment.set("CONTAINERS_REGISTRIES_CONF",
                  home.write("only.conf", "unqualified-search-registries = ['c.example']"));
  EXPECT_EQ(Registries::load().search_registries(), std::vector<std::string>{"c.example"});
}

TEST(Certificates, OfAHostWithItsPort) {
  testing::TempDir home;
  testing::Environment environment;
  environment.set("XDG_CONFIG_HOME", home.path());
  const std::string folder = "containers/certs.d/host.example:5000/";
  home.write(folder + "ca.crt", "");
  home.write(folder + "client.cert", "");
  home.write(folder + "client.key", "");
  const auto found = certificates_for("host.example:5000");
  EXPECT_EQ(found.ca_files, std::vector<std::string>{home.path(folder + "ca.crt")});
  EXPECT_EQ(found.client_certificate, home.path(folder + "client.cert"));
  EXPECT_EQ(found.client_key, home.path(folder + "client.key"));
  EXPECT_TRUE(certificates_for("host.example").ca_files.empty());
  EXPECT_TRUE(certificates_for("../certs.d/host.example:5000").ca_files.empty());
  home.write("alone/client.cert", "");
  EXPECT_THROW(certificates_in(home.path("alone")), Error);
}

}  // namespace
}  // namespace proa::config
