#include "libcommon/os/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/os/tty.h"

namespace proa::os {
namespace {

class SocketTest : public testing::Test {
 protected:
  SocketTest() {
    char name[] = "/tmp/proa-socket-XXXXXX";
    path_ = ::mkdtemp(name);
    dir_ = open(path_, O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  ~SocketTest() override { remove_tree(path_); }
  Path path_;
  UniqueFd dir_;
};

TEST_F(SocketTest, CarriesRecordsAndDescriptors) {
  auto [left, right] = socket_pair();
  const int passed[] = {dir_.get()};
  send_message(left.get(), "one", passed);
  send_message(left.get(), "two");
  auto first = receive_message(right.get());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->data, "one");
  ASSERT_EQ(first->descriptors.size(), 1u);
  EXPECT_NE(::fcntl(first->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(receive_message(right.get())->data, "two");
  EXPECT_EQ(try_receive_message(right.get())->data, "");
  left.reset();
  EXPECT_FALSE(receive_message(right.get()));
}

TEST_F(SocketTest, ASocketFileIsPrivateAndReplacesADeadOne) {
  { const UniqueFd dead = listen_at(dir_.get(), "ctl"); }
  EXPECT_FALSE(connect_at(dir_.get(), "ctl"));
  const UniqueFd live = listen_at(dir_.get(), "ctl");
  EXPECT_EQ(stat("ctl", dir_.get()).st_mode & 0777, 0600u);
  auto client = connect_at(dir_.get(), "ctl");
  ASSERT_TRUE(client);
  auto server = accept(live.get());
  ASSERT_TRUE(server);
  EXPECT_EQ(peer_credentials(server->get()).uid, ::getuid());
  EXPECT_FALSE(accept(live.get()));
  EXPECT_FALSE(connect_at(dir_.get(), "absent"));
}

TEST_F(SocketTest, WritingToAPeerThatIsGoneThrowsAndDoesNotKill) {
  auto [left, right] = socket_pair();
  right.reset();
  EXPECT_THROW(send_message(left.get(), "x"), Error);
  EXPECT_FALSE(try_send_message(left.get(), "x"));
}

TEST(Pty, PassesBytesAndSize) {
  Pty pty = open_pty();
  set_window_size(pty.master.get(), winsize{24, 80, 0, 0});
  EXPECT_EQ(window_size(pty.slave.get())->ws_col, 80);
  RawMode raw(pty.slave.get());
  write_all(pty.master.get(), "\x03", "pty");
  std::array<std::byte, 4> buffer;
  ASSERT_EQ(read_some(pty.slave.get(), buffer, "pty"), 1u);
  EXPECT_EQ(static_cast<char>(buffer[0]), '\x03');
}

}  // namespace
}  // namespace proa::os
