#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/spec/capabilities.h"
#include "libcommon/spec/csv.h"
#include "libcommon/spec/devices.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/ports.h"
#include "libcommon/spec/ulimits.h"
#include "libcommon/spec/volumes.h"

namespace proa::spec {
namespace {

using Strings = std::vector<std::string>;

// Every text of the list is refused with InvalidArgument.
template <typename Parse>
void expect_refused(Parse parse, const Strings& texts) {
  for (const auto& text : texts) {
    try {
      parse(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::InvalidArgument) << error.text();
      EXPECT_EQ(error.text().find('\n'), std::string::npos) << "one line, whatever was typed";
    }
  }
}

TEST(Ports, RangesAreMappedOneByOne) {
  auto mappings = parse_publish("127.0.0.1:8080-8082:80-82/UDP");
  ASSERT_EQ(mappings.size(), 3u);
  EXPECT_EQ(mappings[2],
            (PortMapping{.container_port = 82, .protocol = "udp", .host_ip = "127.0.0.1", .host_ports = {8082, 8082}}));
  EXPECT_EQ(parse_publish("8000-8010:80")[0].host_text(), "8000-8010");
  EXPECT_EQ(parse_publish("[::1]::80")[0].host_ip, "::1");
  EXPECT_EQ(parse_publish("target=80,published=8080")[0], parse_publish("8080:80")[0]);
}

// threats.md: port and range parsing (0, 65536, reversed, as wide as can be).
TEST(Ports, OthersAreRefused) {
  expect_refused(parse_publish,
                 {"",        ":",   "0",    "80:0",        "65536",      "80:65536",          "82-80",
                  "1-3:1-2", "80-", "-80",  "80/icmp",     "a:80:80",    "1.2.3:80:80",       "[::1:80:80",
                  "80 ",     "+80", "0x50", "80:80:80:80", "80/tcp/udp", "127.0.0.1\n:80:80", "99999999999999999999"});
  EXPECT_EQ(parse_publish("1-65535:1-65535").size(), 65535u);
}

TEST(Volumes, AreToldFromPaths) {
  EXPECT_EQ(parse_volume("name:/data", "/w").type, MountType::Volume);
  EXPECT_EQ(
      parse_volume("/host/./x/../y:/data:ro", "/w"),
      (Mount{
          .type = MountType::Bind, .source = "/host/y", .target = "/data", .read_only = true, .create_source = true}));
  EXPECT_EQ(parse_volume("./here:/data", "/w/dir").source, "/w/dir/here");
  EXPECT_EQ(parse_volume("..:/data", "/w/dir").source, "/w");
  EXPECT_EQ(parse_volume("/only/target/", "/w").target, "/only/target");
  EXPECT_EQ(parse_volume("/a:/b:z,noexec,rslave", "/w").options, (Strings{"z", "noexec"}));
}

TEST(Volumes, OthersAreRefused) {
  expect_refused([](const std::string& text) { parse_volume(text, "/w"); },
                 {"", ":", "a:", ":/a", "relative", "a:relative", "/", "/a:/", "/a:/..", "a:/b:c:d", "/a:/b:what",
                  "/a:/b:ro,rw", "/a:/b:z,Z", "a:/b:rshared", "/a:/b:nocopy", "~/x:/y", std::string("/a:/b\0c", 7)});
}

TEST(Mounts, QuotedFieldsMayHoldCommas) {
  Mount mount = parse_mount("type=bind,\"source=/a,b\",target=/c,readonly,bind-propagation=rslave", "/w");
  EXPECT_EQ(mount.source, "/a,b");
  EXPECT_TRUE(mount.read_only);
  EXPECT_EQ(mount.propagation, "rslave");
  EXPECT_EQ(parse_mount("type=tmpfs,dst=/t,tmpfs-mode=1777,tmpfs-size=64m", "/w").tmpfs_mode, 01777u);
  EXPECT_FALSE(parse_mount("type=bind,src=/a,dst=/b", "/w").create_source) << "--mount wants the source to exist";
}

TEST(Mounts, OthersAreRefused) {
  expect_refused([](const std::string& text) { parse_mount(text, "/w"); },
                 {"", "type=bind", "type=what,target=/a", "type=bind,target=/a", "type=bind,source=rel,target=/a",
                  "type=tmpfs,source=x,target=/a", "target=a", "target=/", "target=/a,ro=maybe",
                  "type=tmpfs,target=/a,bind-propagation=shared", "type=image,target=/a", "\"target=/a",
                  "target=/a,\"x\"y", "type=tmpfs,target=/a,tmpfs-mode=9", "target=/a,,"});
}

TEST(Tmpfs, OptionsAreParted) {
  Mount mount = parse_tmpfs("/run:size=1m,mode=755,noexec,ro");
  EXPECT_EQ(mount.tmpfs_size, 1 << 20);
  EXPECT_EQ(mount.tmpfs_mode, 0755u);
  EXPECT_EQ(mount.options, Strings{"noexec"});
  EXPECT_TRUE(mount.read_only);
  expect_refused(parse_tmpfs, {"", "/", "run", "/run:size=x", "/run:mode=8"});
}

TEST(Paths, AreCleanedLexically) {
  EXPECT_EQ(clean_path("/a//b/../c/./"), "/a/c");
  EXPECT_EQ(clean_path("/../.."), "/");
  EXPECT_EQ(clean_path("../a/../.."), "../..");
  EXPECT_EQ(clean_path(""), ".");
}

TEST(ObjectNames, AreStrict) {
  EXPECT_EQ(check_object_name("volume", "a.b-c_1"), "a.b-c_1");
  expect_refused(
      [](const std::string& name) { check_object_name("volume", name); },
      {"", ".", "..", "-a", "_a", "a/b", "a b", "a\n", "\xc3\xa9", std::string(256, 'a'), std::string("a\0", 2)});
}

std::optional<std::string> lookup(std::string_view name) {
  return name == "SET" ? std::optional<std::string>("host") : std::nullopt;
}

TEST(Env, ComesFromFilesThenOptions) {
  auto file = parse_env_file("\xef\xbb\xbf# c\r\n \tA= 1 \r\nQ=\"x\"\n\nSET\nUNSET\n", "f", lookup);
  EXPECT_EQ(file, (Strings{"A= 1 ", "Q=\"x\"", "SET=host"}));
  EXPECT_EQ(collect_env(file, {"A=2", "UNSET", "SET"}, lookup),
            (Strings{"A= 1 ", "Q=\"x\"", "SET=host", "A=2", "SET=host"}));
}

TEST(Env, OthersAreRefused) {
  auto file = [](const std::string& text) { parse_env_file(text, "f", lookup); };
  expect_refused(file,
                 {"=x", "A B=c", "A\t=c", "\xff\xfe", "A=\xff", std::string(70000, 'a'), std::string("A=\0b", 4)});
  expect_refused([](const std::string& text) { parse_env(text, lookup); }, {"", "=", "=x", std::string("A=\0", 3)});
}

// Files of variables hold secrets: an error names the line, never the value.
TEST(Env, ErrorsDoNotShowValues) {
  try {
    parse_env_file("BAD NAME=hunter2\n", "f.env", lookup);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.text().starts_with("f.env: line 1: ")) << error.text();
    EXPECT_EQ(error.text().find("hunter2"), std::string::npos);
  }
}

TEST(Labels, ArePairs) {
  EXPECT_EQ(parse_label("a=b=c"), (Label{"a", "b=c"}));
  EXPECT_EQ(parse_label("a"), (Label{"a", ""}));
  EXPECT_EQ(parse_label_file("# x\na=1\nb\n", "f"), (std::vector<Label>{{"a", "1"}, {"b", ""}}));
  expect_refused(parse_label, {"", "=", " =x", "a b=c"});
}

TEST(Capabilities, AreUniform) {
  auto changes = normalize_capabilities({"net_raw", "CAP_NET_RAW", "chown"}, {"all", "kill"});
  EXPECT_EQ(changes.add, (Strings{"CAP_CHOWN", "CAP_NET_RAW"}));
  EXPECT_EQ(changes.drop, Strings{"ALL"});
}

// podman 5.8.6: a newline in --add-host, --dns or --hostname became a line of its own in the container's files.
TEST(Hosts, ReachNoSecondLine) {
  expect_refused(parse_add_host, {"a\n6.6.6.6 bank:1.2.3.4", "a:1.2.3.4\n6.6.6.6 bank", "a b:1.2.3.4", "a\tb:1.2.3.4",
                                  "a\r:1.2.3.4", "a#:1.2.3.4", "a:1.2.3.4 ", ";a:1.2.3.4",
                                  std::string("a:1.2.3.4\0", 10), "a:01.2.3.4", "a:fe80::1%eth0"});
  expect_refused(parse_dns_server,
                 {"", "1.2.3.4\nnameserver 6.6.6.6", "host", "1.2.3.4 5.6.7.8", std::string("1.2.3.4\0", 8)});
  expect_refused(parse_dns_search, {"", "a\nb", "a b", "..", "-a", "1"});
  expect_refused(check_host_name, {"", "a\nb", "a b", ".a", "a:b", "a#", std::string(65, 'a')});
  EXPECT_EQ(parse_add_host("a;b:10.0.0.1"), (HostEntry{{"a", "b"}, "10.0.0.1"}));
  EXPECT_EQ(parse_add_host("a:host-gateway").address, "host-gateway");
  EXPECT_EQ(check_host_name("my_host-1.example"), "my_host-1.example");
}

TEST(Ulimits, HaveRuntimeNames) {
  EXPECT_EQ(parse_ulimit("nofile=1:2").rlimit_name(), "RLIMIT_NOFILE");
  EXPECT_EQ(parse_ulimit("core=-1").hard, kUnlimited);
  expect_refused(parse_ulimit, {"", "nofile", "nofil=1", "nofile=2:1", "nofile=-1:5", "nofile=-2", "nofile=1:2:3",
                                "nofile= 1", "nofile=9223372036854775808"});
}

TEST(Devices, DefaultToTheSamePath) {
  EXPECT_EQ(parse_device("/dev/fuse:rw"), (Device{"/dev/fuse", "/dev/fuse", "rw"}));
  EXPECT_EQ(parse_device("/dev/a:/dev/../b"), (Device{"/dev/a", "/b", ""}));
  expect_refused(parse_device, {"", ":", "dev", "/dev/a:/b:x", "/dev/a:/b:rr", "/dev/a:/b:rwm:x", "/dev/a:rwx"});
}

TEST(Csv, QuotesProtectCommas) {
  EXPECT_EQ(split_csv("a,\"b,\"\"c\"\"\",,d", "x"), (Strings{"a", "b,\"c\"", "", "d"}));
  EXPECT_EQ(split_csv("a,", "x"), (Strings{"a", ""}));
  expect_refused([](const std::string& text) { split_csv(text, "x"); }, {"", "\"", "a\"b", "\"a\"b"});
}

}  // namespace
}  // namespace proa::spec
