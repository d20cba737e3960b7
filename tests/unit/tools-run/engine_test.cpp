#include <fmt/core.h>
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "tools/run/engine/attach.h"
#include "tools/run/engine/containers.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/log_reader.h"
#include "tools/run/monitor/log_writer.h"

namespace proa::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ContainersTest : public testing::Test {
 protected:
  ContainersTest() {
    char name[] = "/tmp/proa-engine-XXXXXX";
    root_ = ::mkdtemp(name);
    config::Paths paths{os::join(root_, "data"), os::join(root_, "run"), os::join(root_, "cache"), ""};
    for (const auto& folder : {paths.data, paths.run, paths.cache}) os::make_dirs(folder);
    containers_.emplace(paths);
  }
  ~ContainersTest() override { os::remove_tree(root_); }

  // Made as the client and the monitor do it; the lock goes at the end.
  Container make(char digit, const std::string& name) {
    auto [container, lock] = containers_->stage(std::string(64, digit));
    ContainerRecord record;
    record.id = container.id();
    record.name = name;
    record.created = "2026-11-23T08:00:00Z";
    container.write_record(record);
    containers_->claim(name, container.id());
    containers_->publish(container);
    return std::move(container);
  }

  std::string root_;
  std::optional<Containers> containers_;
};

TEST_F(ContainersTest, AreFoundByNameIdAndPrefix) {
  make('a', "web");
  make('b', "abba");
  EXPECT_EQ(containers_->get("web").id(), std::string(64, 'a'));
  EXPECT_EQ(containers_->get("bbb").id(), std::string(64, 'b'));
  EXPECT_EQ(containers_->get("abba").id(), std::string(64, 'b'));  // a name goes before a prefix
  EXPECT_FALSE(containers_->find("nobody"));
  EXPECT_FALSE(containers_->find("../containers"));
  EXPECT_FALSE(containers_->find("."));
  EXPECT_THROW(containers_->get("nobody"), Error);
}

TEST_F(ContainersTest, ANameIsClaimedOnceAndFreeAfterwards) {
  Container first = make('a', "web");
  EXPECT_THROW(make('b', "web"), Error);
  EXPECT_EQ(containers_->list().size(), 1u);
  containers_->remove(first, "web");
  EXPECT_EQ(make('c', "web").id(), std::string(64, 'c'));
}

TEST_F(ContainersTest, ANameThatLeadsNowhereIsTakenOver) {
  os::make_dirs(os::join(root_, "data/names"));
  ASSERT_EQ(::symlink(("../containers/" + std::string(64, 'd')).c_str(), (root_ + "/data/names/web").c_str()), 0);
  EXPECT_EQ(make('e', "web").id(), std::string(64, 'e'));
}

TEST_F(ContainersTest, WhatIsBeingMadeIsInNoListAndSweptOnlyWhenItsMakerIsDead) {
  {
    auto [container, lock] = containers_->stage(std::string(64, 'a'));
    EXPECT_TRUE(containers_->list().empty());
    containers_->sweep();
    EXPECT_TRUE(os::exists(container.path()));
  }
  containers_->sweep();
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/containers")).empty());
}

TEST_F(ContainersTest, ACreationThatDiedEarlyLosesItsNameToo) {
  const auto id = std::string(64, 'a');
  std::string name;
  {
    auto staged = containers_->stage(id);
    name = containers_->claim_new_name(id);  // killed before the record
    EXPECT_FALSE(containers_->leads_nowhere(name));
  }
  EXPECT_THROW(containers_->claim(name, std::string(64, 'b')), Error);
  containers_->sweep();
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/containers")).empty());
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/names")).empty());
}

// Makers, removers and sweepers of many processes' worth of containers, none of which may get in another's way.
TEST_F(ContainersTest, ManyAtOnceDoNotDisturbEachOther) {
  std::vector<std::thread> makers;
  std::atomic<int> made = 0;
  for (int maker = 0; maker < 8; ++maker) {
    makers.emplace_back([&, maker] {
      for (int i = 0; i < 40; ++i) try {
          containers_->sweep();
          const std::string id = fmt::format("{:032x}{:032x}", maker, i);
          auto staged = containers_->stage(id);
          const std::string name = containers_->claim_new_name(id);
          containers_->publish(staged.first);
          EXPECT_TRUE(containers_->find(name));
          EXPECT_FALSE(containers_->leads_nowhere(name));
          containers_->remove(staged.first, name);
          ++made;
        } catch (const Error& error) {
          ADD_FAILURE() << error.what();
        }
    });
  }
  std::atomic<bool> done = false;
  std::thread sweeper([&] {
    while (!done) containers_->sweep();
  });
  for (auto& maker : makers) maker.join();
  done = true;
  sweeper.join();
  EXPECT_EQ(made, 8 * 40);
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/containers")).empty());
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/names")).empty());
}

TEST_F(ContainersTest, ARemovalThatDiedIsFinishedWithItsName) {
  Container container = make('a', "web");
  containers_->hide(container, "");  // killed before the name went
  containers_->sweep();
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/containers")).empty());
  EXPECT_TRUE(os::list_dir(os::join(root_, "data/names")).empty());
}

TEST_F(ContainersTest, StatusFollowsTheRecordsAndTheLock) {
  const Container container = make('a', "web");
  EXPECT_EQ(look_at(container).status, Status::Created);
  RunState state;
  state.pid = ::getpid();
  state.boot_id = boot_id();
  state.started = "2026-11-23T08:00:00Z";
  {
    const auto lock = LiveLock::try_take(container.fd());
    ASSERT_TRUE(lock);
    EXPECT_FALSE(LiveLock::try_take(container.fd()));
    container.write_state(state);
    EXPECT_EQ(look_at(container).status, Status::Running);
    EXPECT_TRUE(LiveLock::held(container.fd()));  // asking does not take it away
  }
  const Snapshot lost = look_at(container);
  EXPECT_EQ(lost.status, Status::Lost);
  EXPECT_THAT(lost.problem, HasSubstr("monitor was killed"));
  state.boot_id = "another";
  container.write_state(state);
  EXPECT_THAT(look_at(container).problem, HasSubstr("machine was restarted"));
  container.write_exit({3, "", "2026-11-23T08:00:01Z", false, ""});
  EXPECT_EQ(look_at(container).status, Status::Exited);
  EXPECT_EQ(look_at(container).exit->exit_code, 3);
}

TEST_F(ContainersTest, AnExitTakesTheRoomThatWasKeptForIt) {
  const Container container = make('a', "web");
  container.reserve_exit();
  EXPECT_FALSE(container.exit());
  EXPECT_EQ(os::stat(container.file(".exit.json")).st_size, 4096);
  container.write_exit({3, "", "2026-11-23T08:00:01Z", false, ""});
  EXPECT_EQ(container.exit()->exit_code, 3);
  EXPECT_FALSE(os::exists(container.file(".exit.json")));
  container.write_exit({4, "", "2026-11-23T08:00:02Z", false, ""});  // none was kept
  EXPECT_EQ(container.exit()->exit_code, 4);
}

TEST_F(ContainersTest, ARecordThatCannotBeReadIsShownAsDamaged) {
  const Container container = make('a', "web");
  for (const char* text : {"", "{", "[]", "{\"version\":99}", "{\"version\":1}"}) {
    const auto fd = os::open(container.file("record.json"), O_WRONLY | O_TRUNC);
    os::write_all(fd.get(), std::string_view(text), "record");
    EXPECT_EQ(look_at(container).status, Status::Damaged) << text;
  }
}

TEST(Record, SurvivesTheWayToDiskAndBack) {
  ContainerRecord record;
  record.id = "x";
  record.name = "web";
  record.ports = {{80, "tcp", "127.0.0.1", {8080, 8080}}};
  record.mounts = {{"volume", "v", "/s", "/d", true}};
  record.labels = {{"a", "b\n\x1b"}};
  record.restart_policy = "on-failure";
  const ContainerRecord back = ContainerRecord::parse(record.encode());
  EXPECT_EQ(back.encode(), record.encode());
  EXPECT_EQ(back.ports, record.ports);
  EXPECT_EQ(back.labels.at("a"), "b\n\x1b");
}

TEST(Log, IsWrittenAndReadBack) {
  const std::string text = monitor::format_log("T", "stdout", "one\ntwo");
  EXPECT_EQ(text, "T stdout F one\nT stdout P two\n");
  const auto entry = parse_log_line("T stderr F a b");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->stream, "stderr");
  EXPECT_EQ(entry->text, "a b");
  EXPECT_FALSE(parse_log_line("cut"));
  EXPECT_FALSE(parse_log_line("T stdout X y"));
}

TEST(Log, TheTailIsFoundFromTheEnd) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += monitor::format_log("T", "stdout", "line " + std::to_string(i) + "\n");
  text += "T stdout P pie\nT stdout F ce\n";
  char name[] = "/tmp/proa-log-XXXXXX";
  const os::UniqueFd fd(::mkstemp(name));
  ::unlink(name);
  os::write_all(fd.get(), text, name);
  const auto tail = [&](std::uint64_t lines) { return text.substr(find_tail(fd.get(), text.size(), lines)); };
  EXPECT_EQ(tail(0), "");
  EXPECT_EQ(tail(1), "T stdout P pie\nT stdout F ce\n");
  EXPECT_THAT(tail(2), testing::StartsWith("T stdout F line 19999\n"));
  EXPECT_THAT(tail(10000), testing::StartsWith("T stdout F line 10001\n"));
  EXPECT_EQ(tail(50000), text);
}

TEST(Log, TimesOfSince) {
  const Time now = *parse_rfc3339("2026-11-23T08:00:00Z");
  EXPECT_EQ(parse_log_time("10m", now), *parse_rfc3339("2026-11-23T07:50:00Z"));
  EXPECT_EQ(parse_log_time("2026-11-23", now), *parse_rfc3339("2026-11-23T00:00:00Z"));
  EXPECT_EQ(parse_log_time("0", now), Time{});
  EXPECT_THROW(parse_log_time("yesterday", now), Error);
}

TEST(DetachKeys, AreParsed) {
  EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("a,ctrl-["), "a\x1b");
  EXPECT_EQ(parse_detach_keys(""), "");
  EXPECT_THROW(parse_detach_keys("ctrl-"), Error);
  EXPECT_THROW(parse_detach_keys("ab"), Error);
}

TEST(DetachKeys, AreFoundInPiecesAndGivenBackWhenItWasSomethingElse) {
  KeyMatcher keys("\x10\x11");
  EXPECT_EQ(keys.feed("ab\x10"), "ab");
  EXPECT_EQ(keys.feed("c"),
            "\x10"
            "c");
  EXPECT_EQ(keys.feed("\x10\x10"), "\x10");
  EXPECT_FALSE(keys.matched());
  EXPECT_EQ(keys.feed("\x11rest"), "");
  EXPECT_TRUE(keys.matched());
}

class MergeTest : public testing::Test {
 protected:
  MergeTest() { options_.words = {"image"}; }
  void merge() {
    merge_lifecycle(options_, image_, record_);
    merge_process(options_, image_, record_, spec_);
  }
  RunOptions options_;
  oci::ImageConfig image_;
  ContainerRecord record_;
  runtime::ContainerSpec spec_;
};

TEST_F(MergeTest, TheCommandOfTheImageUnlessAnotherIsGiven) {
  image_.entrypoint = {{"/entry"}};
  image_.cmd = {{"default"}};
  merge();
  EXPECT_THAT(spec_.args, ElementsAre("/entry", "default"));
  options_.words = {"image", "mine"};
  merge();
  EXPECT_THAT(spec_.args, ElementsAre("/entry", "mine"));
  options_.entrypoint = R"(["a", "b"])";
  options_.words = {"image"};
  merge();
  EXPECT_THAT(spec_.args, ElementsAre("a", "b"));
  options_.entrypoint = "";
  EXPECT_THROW(merge(), Error);
}

TEST_F(MergeTest, AnImagesVariableWithoutAValueTakesNothingFromTheCaller) {  // CVE-2026-57231
  ::setenv("PROA_TEST_SECRET", "value", 1);
  image_.env = {"PROA_TEST_SECRET", "*", "=x", "A=1"};
  image_.cmd = {{"c"}};
  options_.http_proxy = false;
  merge();
  EXPECT_THAT(spec_.env, ElementsAre("A=1"));
  options_.env = {"PROA_TEST_SECRET"};
  merge();
  EXPECT_THAT(spec_.env, ElementsAre("A=1", "PROA_TEST_SECRET=value"));
}

TEST_F(MergeTest, LabelsOfTheImageSteerNothing) {  // CVE-2026-94603, CVE-2024-3154
  image_.cmd = {{"c"}};
  image_.labels = {{"io.containers.checkpoint", "1"}, {"run.oci.keep_original_groups", "1"}};
  image_.stop_signal = "not-a-signal";
  merge();
  EXPECT_TRUE(spec_.annotations.empty());
  EXPECT_EQ(record_.stop_signal, "SIGTERM");
}

TEST_F(MergeTest, ContradictionsAreRefused) {
  image_.cmd = {{"c"}};
  options_.rm = true;
  options_.restart = "always";
  EXPECT_THROW(merge(), Error);
  options_.rm = false;
  options_.restart = "sometimes";
  EXPECT_THROW(merge(), Error);
  options_.restart = "always:3";
  EXPECT_THROW(merge(), Error);
  options_.restart = "on-failure:3";
  merge();
  EXPECT_EQ(record_.restart_limit, 3);
}

TEST_F(MergeTest, UnknownSecurityOptionsAreErrors) {
  options_.security_opt = {"seccomp=unconfined", "no-new-privileges"};
  merge_security(options_, record_, spec_);
  EXPECT_TRUE(spec_.no_new_privileges);
  for (const char* bad : {"secomp=unconfined", "seccomp=", "label=type:x", ""}) {
    options_.security_opt = {bad};
    EXPECT_THROW(merge_security(options_, record_, spec_), Error) << bad;
  }
}

}  // namespace
}  // namespace proa::engine
