#include "libcommon/cli/progress.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "libcommon/base/strings.h"

namespace proa::cli {
namespace {

// What a Progress wrote, read back after its end.
class Capture {
 public:
  Capture() {
    if (::pipe(ends_) != 0) ADD_FAILURE() << "pipe";
  }
  ~Capture() {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  int fd() const { return ends_[1]; }
  std::string text() {
    ::close(ends_[1]);
    ends_[1] = -1;
    std::string all;
    char part[4096];
    for (ssize_t got; (got = ::read(ends_[0], part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(got));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(Progress, LinesNameEachFinishedPart) {
  Capture capture;
  {
    Progress progress(Progress::Mode::Lines, capture.fd());
    auto& first = progress.add("layer 1", 2000);
    auto& second = progress.add("layer 2");
    progress.note("copying");
    first.add(1500);
    first.add(500);
    first.finish();
    first.finish("again");
    second.finish("already exists");
  }
  EXPECT_EQ(capture.text(), "copying\nlayer 1: done (2kB)\nlayer 2: already exists\n");
}

TEST(Progress, SilentSaysNothing) {
  Capture capture;
  {
    Progress progress(Progress::Mode::Silent, capture.fd());
    progress.note("x");
    progress.add("layer").finish();
  }
  EXPECT_EQ(capture.text(), "");
}

TEST(Progress, BarsEndWithEveryPartsLastWord) {
  Capture capture;
  {
    Progress progress(Progress::Mode::Bars, capture.fd());
    auto& item = progress.add("layer", 1000);
    item.add(500);
    item.finish("pulled");
  }
  std::string text = capture.text();
  EXPECT_NE(text.find("layer pulled"), std::string::npos) << escape_control(text);
  EXPECT_NE(text.find("\x1b[1A"), std::string::npos) << "bars are drawn over";
}

TEST(Progress, ForeignNamesAreEscaped) {
  Capture capture;
  {
    Progress progress(Progress::Mode::Lines, capture.fd());
    progress.add("a\x1b[2J\nb").finish("\x07");
    progress.note("n\no");
  }
  EXPECT_EQ(capture.text(), "a\\x1b[2J\\nb: \\x07\nn\\no\n");
}

TEST(Progress, CountsFromSeveralThreads) {
  Capture capture;
  {
    Progress progress(Progress::Mode::Lines, capture.fd());
    auto& item = progress.add("layer", 40000);
    std::thread other([&] {
      for (int i = 0; i < 20000; ++i) item.add(1);
    });
    for (int i = 0; i < 20000; ++i) item.add(1);
    other.join();
    item.finish();
  }
  EXPECT_EQ(capture.text(), "layer: done (40kB)\n");
}

}  // namespace
}  // namespace proa::cli
