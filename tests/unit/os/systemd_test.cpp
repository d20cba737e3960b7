#include "libcommon/os/systemd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/os/socket.h"

namespace proa::os {
namespace {

using testing::HasSubstr;

std::string answer(dbus::Message::Kind kind, const std::string& member, const std::string& signature,
                   const std::string& body) {
  dbus::Writer out;
  out.byte('l');
  out.byte(static_cast<std::uint8_t>(kind));
  out.byte(0);
  out.byte(1);
  out.number(static_cast<std::uint32_t>(body.size()));
  out.number(1);
  out.array(8, [&] {
    if (kind != dbus::Message::Kind::Signal) {
      out.align(8);
      out.byte(5);
      out.signature("u");
      out.number(1);
    }
    out.align(8);
    out.byte(3);
    out.signature("s");
    out.text(member);
    out.align(8);
    out.byte(8);
    out.signature("g");
    out.signature(signature);
  });
  out.align(8);
  return out.take() + body;
}

std::string text_body(const std::string& text) {
  dbus::Writer out;
  out.text(text);
  return out.take();
}

// A systemd that lets everybody in and has prepared its answers to the first call.
class SystemdTest : public testing::Test {
 protected:
  SystemdTest() {
    char name[] = "/tmp/proa-systemd-XXXXXX";
    manager_.cgroup = ::mkdtemp(name);
    manager_.socket = join(manager_.cgroup, "private");
    manager_.uid = 1234;
    const UniqueFd dir = open(manager_.cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
    listener_ = listen_at(dir.get(), "private", 0600, SOCK_STREAM | SOCK_CLOEXEC);
  }
  ~SystemdTest() override {
    if (server_.joinable()) server_.join();
    remove_tree(manager_.cgroup);
  }

  void serve(std::string greeting, std::string answers) {
    server_ = std::thread([this, greeting = std::move(greeting), answers = std::move(answers)] {
      std::optional<UniqueFd> peer;
      while (!(peer = os::accept(listener_.get()))) ::usleep(1000);
      ::fcntl(peer->get(), F_SETFL, 0);
      read_until(peer->get(), [this] { return seen_.ends_with("BEGIN\r\n"); });
      greeting_ = std::exchange(seen_, {});
      ::send(peer->get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
      read_until(peer->get(), [this] { return (call_ = dbus::next_message(seen_)).has_value(); });
      ::send(peer->get(), answers.data(), answers.size(), MSG_NOSIGNAL);
    });
  }
  template <typename Done>
  void read_until(int fd, Done done) {
    char data[512];
    while (!done()) {
      const ssize_t size = ::recv(fd, data, sizeof data, 0);
      if (size <= 0) return;
      seen_.append(data, static_cast<std::size_t>(size));
    }
  }
  template <typename Action>
  std::string failure(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.message();
    }
    return "no failure";
  }

  SystemdManager manager_;
  UniqueFd listener_;
  std::thread server_;
  std::string seen_, greeting_;
  std::optional<dbus::Message> call_;
};

TEST_F(SystemdTest, AttachesAsTheUserOutside) {
  serve("OK 0123\r\n", answer(dbus::Message::Kind::Return, "", "", ""));
  SystemdConnection(manager_).attach("a.scope", "/monitor", 42);
  server_.join();
  EXPECT_EQ(greeting_, std::string(1, '\0') + "AUTH EXTERNAL 31323334\r\nBEGIN\r\n");
  ASSERT_TRUE(call_);
  EXPECT_EQ(call_->member, "AttachProcessesToUnit");
  dbus::Reader in(call_->body);
  EXPECT_EQ(in.text(), "a.scope");
  EXPECT_EQ(in.text(), "/monitor");
  EXPECT_EQ(in.number(), 4U);
  EXPECT_EQ(in.number(), 42U);
}

TEST_F(SystemdTest, SaysWhatSystemdSays) {
  serve("OK 0123\r\n", answer(dbus::Message::Kind::Error, "", "s", text_body("Unit a.scope not loaded.")));
  SystemdConnection connection(manager_);
  EXPECT_EQ(failure([&] { connection.attach("a.scope", "/monitor", 42); }), "systemd: Unit a.scope not loaded.");
}

TEST_F(SystemdTest, AJobThatFailsIsAnError) {
  dbus::Writer removed;
  removed.number(1);
  removed.text("/job/1");
  removed.text("a.scope");
  removed.text("timeout");
  serve("OK 0123\r\n", answer(dbus::Message::Kind::Return, "", "o", text_body("/job/1")) +
                           answer(dbus::Message::Kind::Signal, "Reloading", "b", std::string(4, '\0')) +
                           answer(dbus::Message::Kind::Signal, "JobRemoved", "uoss", removed.take()));
  SystemdConnection connection(manager_);
  connection.request_scope("a.scope", "user.slice", "test");
  EXPECT_THAT(failure([&] { connection.wait_for_scope(); }), HasSubstr("ended with timeout"));
  server_.join();
  EXPECT_EQ(call_->member, "StartTransientUnit");
  EXPECT_EQ(call_->signature, "ssa(sv)a(sa(sv))");
}

TEST_F(SystemdTest, ARefusedLoginIsAnError) {
  serve("REJECTED\r\n", "");
  EXPECT_EQ(failure([&] { SystemdConnection(manager_).attach("a.scope", "/", 1); }), "systemd: it does not know us");
}

TEST_F(SystemdTest, APeerThatGoesAwayIsAnError) {
  serve("OK 0123\r\n", "");
  SystemdConnection connection(manager_);
  EXPECT_EQ(failure([&] { connection.attach("a.scope", "/", 1); }), "systemd: it closed the connection");
}

TEST_F(SystemdTest, NobodyThereIsAnError) {
  manager_.socket += "-not";
  EXPECT_THAT(failure([&] { SystemdConnection{manager_}; }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace proa::os
