#include "libcommon/os/dbus.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::os::dbus {
namespace {

// A return that says "ok", as a peer would send it: built with the writer, whose alignment the first test fixes.
std::string message(Message::Kind kind, std::uint32_t reply_to, const std::string& member, const std::string& text) {
  Writer body;
  body.text(text);
  const std::string payload = body.take();
  Call call{.path = "/", .interface = "", .member = member, .destination = "", .signature = "s", .body = payload};
  std::string bytes = encode_call(7, call);
  bytes[1] = static_cast<char>(kind);
  if (reply_to == 0) return bytes;
  Writer header;
  header.byte(static_cast<std::uint8_t>(bytes[0]));
  header.byte(static_cast<std::uint8_t>(kind));
  header.byte(0);
  header.byte(1);
  header.number(static_cast<std::uint32_t>(payload.size()));
  header.number(7);
  header.array(8, [&] {
    header.align(8);
    header.byte(5);
    header.signature("u");
    header.number(reply_to);
    header.align(8);
    header.byte(8);
    header.signature("g");
    header.signature("s");
  });
  header.align(8);
  return header.take() + payload;
}

TEST(DbusTest, AlignsAsTheSpecificationSays) {
  Writer out;
  out.byte(1);
  out.number(2);  // 4 bytes on
  out.text("ab");
  out.array(8, [&] {
    out.align(8);
    out.text("x");
  });
  const std::string bytes = out.take();
  const std::string expected(
      "\1\0\0\0"
      "\2\0\0\0"
      "\2\0\0\0ab\0\0"
      "\6\0\0\0"  // the padding to the first element does not count
      "\0\0\0\0"
      "\1\0\0\0x\0",
      4 + 4 + 8 + 4 + 4 + 6);
  EXPECT_EQ(bytes, expected);
}

TEST(DbusTest, AnEmptyArrayOfStructsIsPaddedToo) {
  Writer out;
  out.array(8, [] {});
  EXPECT_EQ(out.take(), std::string(8, '\0'));
}

TEST(DbusTest, TakesMessagesOutOfAStream) {
  const std::string first = message(Message::Kind::Signal, 0, "JobRemoved", "a");
  const std::string second = message(Message::Kind::Return, 3, "", "ok");
  std::string buffer;
  std::vector<Message> seen;
  for (char byte : first + second) {
    buffer.push_back(byte);
    if (auto whole = next_message(buffer)) seen.push_back(std::move(*whole));
  }
  EXPECT_TRUE(buffer.empty());
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].kind, Message::Kind::Signal);
  EXPECT_EQ(seen[0].member, "JobRemoved");
  EXPECT_EQ(seen[1].kind, Message::Kind::Return);
  EXPECT_EQ(seen[1].reply_to, 3U);
  EXPECT_EQ(seen[1].signature, "s");
  EXPECT_EQ(Reader(seen[1].body).text(), "ok");
}

TEST(DbusTest, RefusesWhatIsNoMessage) {
  std::string other = "HTTP/1.1 400 Bad Request\r\n\r\n";
  EXPECT_THROW(next_message(other), Error);
  std::string huge = message(Message::Kind::Return, 3, "", "ok");
  huge.replace(4, 4, "\xff\xff\xff\x7f");
  EXPECT_THROW(next_message(huge), Error);
  std::string short_fields = message(Message::Kind::Return, 3, "", "ok");
  short_fields.replace(12, 4, std::string("\5\0\0\0", 4));
  EXPECT_THROW(next_message(short_fields), Error);
}

TEST(DbusTest, ReaderStaysInside) {
  EXPECT_THROW(Reader(std::string_view("\5\0\0\0ab\0", 7)).text(), Error);
  EXPECT_THROW(Reader(std::string_view("\2\0\0\0abX", 7)).text(), Error);
  EXPECT_THROW(Reader("").byte(), Error);
  EXPECT_THROW(Reader("\1\0").number(), Error);
}

}  // namespace
}  // namespace proa::os::dbus
