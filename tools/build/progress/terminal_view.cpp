// A live view: what is finished scrolls up, what runs is drawn below it with its time and last lines.
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <map>

#include "libcommon/base/strings.h"
#include "tools/build/progress/progress.h"

namespace proa::build::detail {
namespace {

using Clock = std::chrono::system_clock;

constexpr std::size_t kTailLines = 4;
constexpr auto kRedraw = std::chrono::milliseconds(100);

std::size_t columns() {
  struct winsize size {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// At most `width` bytes, cut between characters.
std::string fit(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  text.resize(width);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  return text;
}

class TerminalView final : public ProgressView {
 public:
  void started(const StepView& step, std::size_t total) override {
    total_ = total;
    running_.emplace(step.number, Running{step, {}, ""});
    draw(true);
  }
  void ended(const StepView& step) override {
    erase();
    const char* sign = step.state == StepView::State::Failed   ? " \x1b[31mERROR\x1b[0m"
                       : step.state == StepView::State::Cached ? " \x1b[36mCACHED\x1b[0m"
                                                               : "";
    std::string head = fmt::format("{}{}", stage_prefix(step), short_instruction(step.text));
    std::string time = fmt::format("{:.1f}s", seconds(step.ended - step.started));
    print_progress(fmt::format("\x1b[34m=>\x1b[0m{} {} \x1b[2m{}\x1b[0m\n", sign, fit(head, columns() - 20), time));
    auto running = running_.find(step.number);
    if (step.state == StepView::State::Failed && running != running_.end()) print_progress(step.tail);
    if (running != running_.end()) running_.erase(running);
    ++finished_;
    if (step.state == StepView::State::Cached) ++cached_;
    draw(true);
  }
  void output(const StepView& step, std::string_view data) override {
    auto running = running_.find(step.number);
    if (running == running_.end()) return;
    std::string& rest = running->second.rest;
    rest += data;
    for (std::size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) {
      running->second.lines.push_back(escape_control(rest.substr(0, end)));
      if (running->second.lines.size() > kTailLines) running->second.lines.erase(running->second.lines.begin());
    }
    if (rest.size() > 4096) rest.erase(0, rest.size() - 4096);
    draw(false);
  }
  void line(std::string_view text) override {
    erase();
    print_progress(fmt::format("{}\n", text));
    draw(true);
  }
  void tick() override { draw(false); }
  void finish() override {
    erase();
    running_.clear();
    if (finished_ > 0) {
      print_progress(fmt::format("\x1b[34m[+]\x1b[0m {} steps, {} from the cache, {:.1f}s\n", finished_, cached_,
                                 seconds(Clock::now() - began_)));
    }
    finished_ = 0;
  }

 private:
  struct Running {
    StepView step;
    std::vector<std::string> lines;
    std::string rest;
  };

  void erase() {
    if (drawn_ > 0) print_progress(fmt::format("\x1b[{}A\r\x1b[J", drawn_));
    drawn_ = 0;
  }
  void draw(bool now) {
    auto time = Clock::now();
    if (!now && time - last_ < kRedraw) return;
    last_ = time;
    erase();
    if (running_.empty()) return;
    std::size_t width = columns() - 1;
    std::string text =
        fit(fmt::format("[+] Building {:.1f}s ({}/{})", seconds(time - began_), finished_, std::max(total_, finished_)),
            width) +
        "\n";
    std::size_t lines = 1;
    for (const auto& [number, running] : running_) {
      std::string head = fmt::format(" => {}{}", stage_prefix(running.step), short_instruction(running.step.text));
      text += fmt::format("{} {:.1f}s\n", fit(head, width - 10), seconds(time - running.step.started));
      ++lines;
      for (const std::string& line : running.lines) {
        text += "\x1b[2m" + fit(" => => " + line, width) + "\x1b[0m\n";
        ++lines;
      }
    }
    print_progress(text);
    drawn_ = lines;
  }

  std::map<std::size_t, Running> running_;
  std::size_t total_ = 0, finished_ = 0, cached_ = 0, drawn_ = 0;
  Clock::time_point began_ = Clock::now(), last_{};
};

}  // namespace

std::unique_ptr<ProgressView> make_terminal_view() { return std::make_unique<TerminalView>(); }

}  // namespace proa::build::detail
