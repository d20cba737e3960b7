// ContainerSpec to config.json. The golden files are rewritten by PROA_UPDATE_GOLDEN=1.
#include "libcommon/runtime/generate.h"

#include <gmock/gmock.h>
#include <linux/capability.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "libcommon/base/error.h"
#include "libcommon/runtime/cgroup_limits.h"
#include "libcommon/runtime/etc_files.h"

namespace proa::runtime {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void expect_golden(const std::string& name, oci::RuntimeSpec spec) {
  spec.linux_.seccomp.reset();  // has tests of its own
  const char* source = std::getenv("PROA_SOURCE");
  std::string path = std::string(source != nullptr ? source : ".") + "/tests/golden/runtime/" + name + ".json";
  std::string text = spec.encode();
  if (std::getenv("PROA_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(text, slurp(path)) << path;
  EXPECT_EQ(oci::RuntimeSpec::parse(text), spec);
}

ContainerSpec plain() {
  ContainerSpec spec;
  spec.args = {"/bin/sh", "-c", "true"};
  spec.env = {"A=1", "B=2", "A=3", "SECRET", "*", "=x"};
  spec.hostname = "box";
  spec.identity.groups = {0};
  return spec;
}

HostFacts facts(os::IdMode mode) {
  HostFacts facts;
  facts.id_mode = mode;
  facts.in_user_namespace = mode != os::IdMode::Root;
  facts.mapped_ids = mode == os::IdMode::Root ? 4294967295U : mode == os::IdMode::Full ? 65537 : 1;
  facts.capabilities = (os::CapSet{1} << 41) - 1;
  return facts;
}

oci::RuntimeSpec make(const ContainerSpec& spec, os::IdMode mode = os::IdMode::Full) {
  return generate(spec, facts(mode)).spec;
}

TEST(Generate, GoldenFull) { expect_golden("full", make(plain())); }
TEST(Generate, GoldenRoot) { expect_golden("root", make(plain(), os::IdMode::Root)); }

// Root of a CI job's container, say.
TEST(Generate, CapabilitiesThatRootLostAreNotGiven) {
  HostFacts poor = facts(os::IdMode::Root);
  poor.capabilities &= ~(os::cap_bit(CAP_SYS_MODULE) | os::cap_bit(CAP_CHOWN));
  auto spec = plain();
  spec.cap_add = {"SYS_MODULE", "net_raw"};
  const Generated some = generate(spec, poor);
  EXPECT_THAT(some.spec.process->capabilities->bounding,
              AllOf(Contains("CAP_NET_RAW"), Not(Contains("CAP_SYS_MODULE")), Not(Contains("CAP_CHOWN"))));
  EXPECT_THAT(some.notes, ElementsAre(HasSubstr("--cap-add SYS_MODULE gives nothing")));
  spec.cap_add = {};
  spec.privileged = true;
  const Generated all = generate(spec, poor);
  EXPECT_THAT(all.spec.process->capabilities->bounding, AllOf(Contains("CAP_SYS_ADMIN"), Not(Contains("CAP_CHOWN"))));
  EXPECT_THAT(all.notes, ElementsAre());
}

TEST(Generate, GoldenManyOptions) {
  auto spec = plain();
  spec.terminal = true;
  spec.read_only = true;
  spec.cap_drop = {"all"};
  spec.cap_add = {"net_raw"};
  spec.no_new_privileges = true;
  spec.identity = {1000, 1000, {1000, 50, 70000}, "/home/ann", "ann"};
  spec.cwd = "/srv/app";
  spec.net = NamespaceChoice::join("/run/netns/x");
  spec.pid = NamespaceChoice::host();
  spec.mounts.push_back(
      {.source = "/data", .target = "/srv/app/data", .read_only = true, .propagation = {}, .options = {}});
  spec.mounts.push_back({.source = "/srv", .target = "/srv", .propagation = "rslave", .options = {"nosuid"}});
  spec.unmask = {"/proc/acpi"};
  spec.mask = {"/etc/secret"};
  spec.rlimits = {{"RLIMIT_NOFILE", 1024, 512}};
  spec.resources.memory_limit = 1 << 30;
  expect_golden("many", make(spec));
}

TEST(Generate, ImageEnvironmentWithoutValueIsDropped) {
  auto env = make(plain()).process->env;
  EXPECT_EQ(env[0], "B=2");
  EXPECT_EQ(env[1], "A=3");
  for (const auto& entry : env) {
    EXPECT_NE(entry.find('='), std::string::npos);
    EXPECT_NE(entry[0], '*');
  }
}

TEST(Generate, InheritableAndAmbientAreEmpty) {
  for (auto uid : {0U, 1000U}) {
    auto spec = plain();
    spec.identity.uid = uid;
    auto caps = *make(spec).process->capabilities;
    EXPECT_TRUE(caps.inheritable.empty());
    EXPECT_TRUE(caps.ambient.empty());
    EXPECT_EQ(caps.effective.empty(), uid != 0);
    EXPECT_EQ(caps.bounding.size(), 11U);
  }
}

TEST(Generate, WhatIsWrongIsNamed) {
  auto fails = [](auto change, const std::string& word) {
    auto spec = plain();
    change(spec);
    try {
      make(spec);
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_NE(error.text().find(word), std::string::npos) << error.text();
    }
  };
  fails([](auto& s) { s.cap_add = {"flying"}; }, "flying");
  fails([](auto& s) { s.sysctls["kernel.panic"] = "1"; }, "kernel.panic");
  fails(
      [](auto& s) {
        s.sysctls["net.ipv4.ip_forward"] = "1";
        s.net = NamespaceChoice::host();
      },
      "net.ipv4.ip_forward");
  fails([](auto& s) { s.sysctls["kernel.shm_rmid_forced"] = "1\nkernel.x=2"; }, "shm_rmid_forced");
  fails([](auto& s) { s.sysctls["net/../kernel/core_pattern"] = "x"; }, "core_pattern");
  fails([](auto& s) { s.identity.uid = 70000; }, "70000");
  fails([](auto& s) { s.mounts.push_back({.source = "/x", .target = "/proc/sys", .propagation = {}, .options = {}}); },
        "/proc/sys");
  fails([](auto& s) { s.mounts.push_back({.source = "/x", .target = "relative", .propagation = {}, .options = {}}); },
        "relative");
  fails([](auto& s) { s.mounts.push_back({.source = "/x", .target = "/a/..", .propagation = {}, .options = {}}); },
        "/ of the container");
  fails([](auto& s) { s.apparmor_profile = "strict"; }, "AppArmor");
  fails([](auto& s) { s.selinux_label = "x"; }, "SELinux");
  fails([](auto& s) { s.args.clear(); }, "command");
}

TEST(Generate, OneIdBecomesTheUsers) {
  auto spec = plain();
  spec.identity = {33, 34, {34, 50}, "/", "www-data"};
  auto made = generate(spec, facts(os::IdMode::Single));
  EXPECT_TRUE(made.notes.empty());
  EXPECT_EQ(made.spec.process->user.uid, 33U);
  EXPECT_EQ(made.spec.process->user.gid, 34U);
  EXPECT_EQ(made.spec.process->user.additional_gids, (std::vector<std::uint32_t>{34}));
  ASSERT_NE(made.spec.find_namespace("user"), nullptr);
  ASSERT_EQ(made.spec.linux_.uid_mappings.size(), 1U);
  EXPECT_EQ(made.spec.linux_.uid_mappings[0].container_id, 33U);
  EXPECT_EQ(made.spec.linux_.uid_mappings[0].host_id, 0U);
  EXPECT_EQ(made.spec.linux_.uid_mappings[0].size, 1U);
  EXPECT_EQ(made.spec.linux_.gid_mappings[0].container_id, 34U);
  spec.identity = {};
  EXPECT_EQ(generate(spec, facts(os::IdMode::Single)).spec.find_namespace("user"), nullptr);
}

TEST(Generate, OneIdRunsOtherUsersWithoutCapabilitiesInJoinedNamespaces) {
  auto spec = plain();
  spec.identity = {33, 33, {33}, "/", "www-data"};
  spec.net = NamespaceChoice::join("/proc/1/ns/net");
  auto made = generate(spec, facts(os::IdMode::Single));
  EXPECT_EQ(made.spec.process->user.uid, 0U);
  EXPECT_TRUE(made.spec.process->capabilities->effective.empty());
  EXPECT_TRUE(made.spec.process->capabilities->bounding.empty());
  ASSERT_EQ(made.notes.size(), 1U);
}

TEST(Generate, LimitsThatCannotBeKeptAreSaid) {
  auto spec = plain();
  spec.resources.memory_limit = 1 << 20;
  spec.resources.pids_limit = 5;
  auto without = facts(os::IdMode::Full);
  EXPECT_EQ(generate(spec, without).notes.size(), 2U);
  without.cgroup_controllers = {"memory", "pids"};
  EXPECT_TRUE(generate(spec, without).notes.empty());
}

TEST(Generate, PrivilegedHasNoFilterAndNoMasks) {
  auto spec = plain();
  spec.privileged = true;
  auto made = make(spec, os::IdMode::Root);
  EXPECT_FALSE(made.linux_.seccomp);
  EXPECT_TRUE(made.linux_.masked_paths.empty());
  EXPECT_EQ(made.process->capabilities->effective.size(), 41U);
}

TEST(CgroupSettings, ConvertFromTheOldScale) {
  oci::RuntimeResources r;
  r.memory_limit = 100;
  r.memory_swap = 150;
  r.cpu_shares = 1024;
  r.cpu_quota = 50000;
  r.pids_limit = -1;
  r.unified["memory.high"] = "9";
  auto settings = cgroup_settings(r);
  EXPECT_EQ(settings.files, (std::vector<std::pair<std::string, std::string>>{{"memory.max", "100"},
                                                                              {"memory.swap.max", "50"},
                                                                              {"cpu.weight", "39"},
                                                                              {"cpu.max", "50000 100000"},
                                                                              {"pids.max", "max"},
                                                                              {"memory.high", "9"}}));
  r.unified = {{"../x", "1"}};
  EXPECT_THROW(cgroup_settings(r), Error);
  oci::RuntimeResources swap_only;
  swap_only.memory_swap = 5;
  EXPECT_THROW(cgroup_settings(swap_only), Error);
}

TEST(EtcFiles, OneLinePerEntryAndNoneOfOthers) {
  EXPECT_EQ(hosts_text({{"10.0.0.2", {"box", "web"}}}),
            "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost localhost.localdomain\n10.0.0.2\tbox web\n");
  EXPECT_EQ(hosts_text({}, "127.0.0.1 localhost"), "127.0.0.1 localhost\n");
  for (const char* bad : {"a\nb", "a b", "", "a\tb", "x#", "\x1b[0m"}) {
    EXPECT_THROW(hosts_text({{"10.0.0.2", {bad}}}), Error);
    EXPECT_THROW(hosts_text({{bad, {"x"}}}), Error);
    EXPECT_THROW(hostname_text(bad), Error);
    EXPECT_THROW(resolv_conf_text({{bad}, {}, {}}), Error);
    EXPECT_THROW(resolv_conf_text({{}, {bad}, {}}), Error);
  }
  auto conf = parse_resolv_conf("# x\nnameserver 1.1.1.1\nsearch a b\ndomain c\noptions ndots:2\nnameserver\t::1\r\n");
  EXPECT_EQ(conf.nameservers, (std::vector<std::string>{"1.1.1.1", "::1"}));
  EXPECT_EQ(resolv_conf_text(conf), "search c\nnameserver 1.1.1.1\nnameserver ::1\noptions ndots:2\n");
}

TEST(RuntimeSpec, WrongTypesAndValuesAreRefused) {
  auto base = [](const std::string& more) { return R"({"ociVersion":"1.0.2")" + more + "}"; };
  for (const char* more :
       {R"(,"process":{"cwd":"x"})", R"(,"process":{"cwd":"/","user":{"uid":4294967295}})",
        R"(,"process":{"cwd":"/","user":{"uid":-1}})", R"(,"process":{"cwd":"/","args":"sh"})", R"(,"mounts":[{}])",
        R"(,"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]})", R"(,"hooks":{"poststop":[{"path":"x"}]})",
        R"(,"process":{"cwd":"/"},"process":{"cwd":"/"})"}) {
    EXPECT_THROW(oci::RuntimeSpec::parse(base(more)), Error) << more;
  }
  EXPECT_THROW(oci::RuntimeSpec::parse(R"({"ociVersion":"2.0.0"})"), Error);
  EXPECT_NO_THROW(oci::RuntimeSpec::parse(base(R"(,"unknown":{"x":1})")));
}

}  // namespace
}  // namespace proa::runtime
