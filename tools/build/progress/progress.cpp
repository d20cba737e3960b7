#include "tools/build/progress/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::build {
namespace {

constexpr std::size_t kTailSize = 8 << 10;

// A line a step, and the output of commands between them.
class PlainView final : public ProgressView {
 public:
  void started(const StepView& step, std::size_t total) override {
    detail::print_progress(fmt::format("{}STEP {}/{}: {}\n", detail::stage_prefix(step), step.number, total,
                                       detail::short_instruction(step.text)));
  }
  void ended(const StepView& step) override {
    flush(step);
    if (step.state == StepView::State::Cached)
      detail::print_progress(fmt::format("{}--> Using cache\n", step.stage.empty() ? "" : detail::stage_prefix(step)));
  }
  // With several stages each line says whose it is.
  void output(const StepView& step, std::string_view data) override {
    if (step.stage.empty()) return detail::print_progress(data);
    std::string& rest = rests_[step.number];
    rest += data;
    std::string text;
    std::size_t at = 0;
    for (std::size_t end; (end = rest.find('\n', at)) != std::string::npos; at = end + 1) {
      text += detail::stage_prefix(step) + rest.substr(at, end + 1 - at);
    }
    rest.erase(0, at);
    if (!text.empty()) detail::print_progress(text);
    if (rest.size() > kTailSize) flush(step);
  }
  void line(std::string_view text) override { detail::print_progress(fmt::format("{}\n", text)); }

 private:
  void flush(const StepView& step) {
    auto rest = rests_.find(step.number);
    if (rest == rests_.end()) return;
    if (!rest->second.empty()) detail::print_progress(detail::stage_prefix(step) + rest->second + "\n");
    rests_.erase(rest);
  }
  std::map<std::size_t, std::string> rests_;
};

class QuietView final : public ProgressView {
 public:
  void started(const StepView&, std::size_t) override {}
  void ended(const StepView&) override {}
  void output(const StepView&, std::string_view) override {}
  void line(std::string_view) override {}
  bool hides_output() const override { return true; }
};

}  // namespace

namespace detail {

void print_progress(std::string_view text) {
  try {
    os::write_all(STDERR_FILENO, text, "stderr");
  } catch (const Error&) {
  }
}

std::string short_instruction(std::string_view text, std::size_t limit) {
  std::string shown(text.substr(0, limit));
  if (shown.size() < text.size()) shown += "...";
  return escape_control(shown);
}

std::string stage_prefix(const StepView& step) {
  return step.stage.empty() ? "" : fmt::format("[{}] ", escape_control(step.stage));
}

}  // namespace detail

void Progress::expect(std::size_t steps) {
  auto lock = hold();
  total_ += steps;
}

Progress::Id Progress::start(std::string_view stage, std::string_view instruction) {
  auto lock = hold();
  Id id = ++started_;
  StepView step{id, std::string(stage), std::string(instruction), std::chrono::system_clock::now(), {}};
  view_->started(step, std::max(total_, started_));
  running_.emplace(id, std::move(step));
  return id;
}

void Progress::end(Id id, StepView::State state, std::string_view error) {
  auto lock = hold();
  auto step = running_.find(id);
  if (step == running_.end()) return;
  step->second.state = state;
  step->second.error = error;
  step->second.ended = std::chrono::system_clock::now();
  view_->ended(step->second);
  if (state == StepView::State::Failed && view_->hides_output()) {
    std::string& tail = step->second.tail;
    if (tail.size() > kTailSize) tail.erase(0, tail.find('\n', tail.size() - kTailSize) + 1);
    view_->finish();
    detail::print_progress(tail);
  }
  running_.erase(step);
}

void Progress::failed(Id id, std::string_view error) { end(id, StepView::State::Failed, error); }

void Progress::output(Id id, std::string_view data) {
  auto lock = hold();
  auto step = running_.find(id);
  if (step == running_.end()) return;
  std::string& tail = step->second.tail;
  tail += data;
  if (tail.size() > 2 * kTailSize) tail.erase(0, tail.size() - kTailSize);
  view_->output(step->second, data);
}

void Progress::line(std::string_view text) {
  auto lock = hold();
  view_->line(text);
}

void Progress::tick() {
  auto lock = hold();
  view_->tick();
}

void Progress::finish() {
  auto lock = hold();
  if (!finished_) view_->finish();
  finished_ = true;
}

std::unique_ptr<ProgressView> make_progress_view(std::string_view mode) {
  if (mode == "plain") return std::make_unique<PlainView>();
  if (mode == "quiet" || mode == "none") return std::make_unique<QuietView>();
  if (mode == "rawjson" || mode == "json") return detail::make_json_view();
  if (mode == "tty") return detail::make_terminal_view();
  if (mode != "auto" && !mode.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--progress is auto, plain, tty, rawjson or quiet, not '{}'", escape_control(mode)));
  }
  const char* term = std::getenv("TERM");
  bool terminal = ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
  return terminal ? detail::make_terminal_view() : std::make_unique<PlainView>();
}

}  // namespace proa::build
