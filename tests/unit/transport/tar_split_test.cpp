#include "libcommon/transport/tar_split.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "tests/support/environment.h"

namespace proa::transport {
namespace {

class TarSplit : public ::testing::Test {
 protected:
  std::string read(const std::string& record) {
    auto source = open_tar_split(std::make_unique<io::MemorySource>(record), os::Dir::open(folder()));
    return io::read_all(*source, 1 << 20, "tar");
  }
  std::string refused(const std::string& record) {
    try {
      return "accepted: " + read(record);
    } catch (const Error& error) {
      return error.text();
    }
  }
  std::string folder() const { return temp_.path(); }
  void put(const std::string& name, const std::string& text) {
    os::write_all(os::open(os::join(folder(), name), O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, name);
  }

  testing::TempDir temp_;
};

std::string segment(const std::string& bytes) {
  return R"({"type":2,"payload":")" + base64_encode(bytes) + "\",\"position\":0}\n";
}

TEST_F(TarSplit, PutsFilesBetweenSegments) {
  put("a", "content");
  put("byte\xe9", "raw");
  EXPECT_EQ(read(segment("<head>") + R"({"type":1,"name":"./a","size":7,"payload":"AAAA","position":1})" + "\n" +
                 segment("<pad>") + R"({"type":1,"name":"empty","payload":null,"position":3})" + "\n" +
                 R"({"type":1,"name_raw":")" + base64_encode("byte\xe9") + R"(","size":3})" + "\n" + segment("<end>")),
            "<head>content<pad>raw<end>");
  EXPECT_EQ(read(""), "");
}

TEST_F(TarSplit, ReadsOnlyWhatWasUnpackedThere) {
  put("short", "x");
  ASSERT_EQ(::symlink("/etc/passwd", os::join(folder(), "link").c_str()), 0);
  ASSERT_EQ(::mkfifo(os::join(folder(), "pipe").c_str(), 0600), 0);
  const auto entry = [](const std::string& name, int size) {
    return R"({"type":1,"name":")" + name + R"(","size":)" + std::to_string(size) + "}\n";
  };
  EXPECT_THAT(refused(entry("short", 2)), ::testing::HasSubstr("not the one that was unpacked"));
  EXPECT_THAT(refused(entry("pipe", 2)), ::testing::HasSubstr("not the one that was unpacked"));
  EXPECT_THAT(refused(entry("../../../etc/passwd", 2)), ::testing::Not(::testing::HasSubstr("accepted")));
  EXPECT_THAT(refused(entry("link", 2)), ::testing::Not(::testing::HasSubstr("accepted")));
  EXPECT_THAT(refused(entry("missing", 2)), ::testing::HasSubstr("missing"));
  EXPECT_THAT(refused("{\"type\":3}\n"), ::testing::HasSubstr("neither 1 nor 2"));
  EXPECT_THAT(refused(R"({"type":2,"payload":"!"})"), ::testing::HasSubstr("not base64"));
  EXPECT_THAT(refused("junk\n"), ::testing::Not(::testing::HasSubstr("accepted")));
  EXPECT_THAT(refused(R"({"type":1,"name":"short","size":-1})"), ::testing::Not(::testing::HasSubstr("accepted")));
}

}  // namespace
}  // namespace proa::transport
