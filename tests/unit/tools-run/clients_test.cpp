#include "tools/run/monitor/clients.h"

#include <gtest/gtest.h>

#include "libcommon/os/socket.h"
#include "tools/run/monitor/protocol.h"

namespace proa::monitor {
namespace {

// The container's output was stopped while this client was slow; it has to go on when the client has caught up, however
// small its steps were.
TEST(Clients, ASlowReaderIsNoticedAndForgiven) {
  os::EventLoop loop;
  Clients clients(loop, [](Clients::Client&, std::string_view) {});
  auto [ours, theirs] = os::socket_pair();
  Clients::Client& client = clients.add(std::move(ours));
  client.output = true;
  int relieved = 0;
  clients.on_relief([&] { ++relieved; });
  const std::string chunk(16 * 1024, 'x');
  while (!clients.congested()) clients.send_output(kOutput, chunk);
  while (!clients.drained()) {
    ASSERT_TRUE(os::receive_message(theirs.get()));
    while (loop.run_once(std::chrono::milliseconds(0))) {
    }
  }
  EXPECT_EQ(relieved, 1);
}

}  // namespace
}  // namespace proa::monitor
