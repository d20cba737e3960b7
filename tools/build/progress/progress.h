// What a build says while it works: steps, the output of commands, how each ended. Thread-safe. To stderr, foreign text
// escaped; the output of commands as it comes.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace proa::build {

struct StepView {
  std::size_t number = 0;  // counted from 1, in the order of their start
  std::string stage;       // "2/3"; empty when there is one stage only
  std::string text;        // the instruction
  std::chrono::system_clock::time_point started, ended;
  enum class State { Running, Done, Cached, Failed } state = State::Running;
  std::string tail;  // the last of its output
  std::string error;
};

// How it is shown. Called under the lock of Progress.
class ProgressView {
 public:
  virtual ~ProgressView() = default;
  virtual void started(const StepView& step, std::size_t total) = 0;
  virtual void ended(const StepView& step) = 0;
  virtual void output(const StepView& step, std::string_view data) = 0;
  virtual void line(std::string_view text) = 0;
  // Time went by: for views that show it.
  virtual void tick() {}
  // The build is over: leave the terminal as it was.
  virtual void finish() {}
  // The step failed, and what it said was not shown.
  virtual bool hides_output() const { return false; }
};

class Progress {
 public:
  using Id = std::size_t;
  explicit Progress(std::unique_ptr<ProgressView> view) : view_(std::move(view)) {}
  ~Progress() { finish(); }

  void expect(std::size_t steps);
  Id start(std::string_view stage, std::string_view instruction);
  void cached(Id id) { end(id, StepView::State::Cached); }
  void done(Id id) { end(id, StepView::State::Done); }
  // Shows what the step said last, when it was not shown already.
  void failed(Id id, std::string_view error);
  void output(Id id, std::string_view data);
  void line(std::string_view text);
  void tick();
  void finish();
  // Nobody is in the middle of saying something while this is held: a process may be cloned.
  std::unique_lock<std::mutex> hold() { return std::unique_lock(mutex_); }

 private:
  void end(Id id, StepView::State state, std::string_view error = {});

  std::mutex mutex_;
  std::unique_ptr<ProgressView> view_;
  std::map<Id, StepView> running_;
  std::size_t started_ = 0, total_ = 0;
  bool finished_ = false;
};

// "auto", "plain", "tty", "rawjson" (or "json"), "quiet" (or "none"). Throws InvalidArgument.
std::unique_ptr<ProgressView> make_progress_view(std::string_view mode);

namespace detail {

std::unique_ptr<ProgressView> make_json_view();
std::unique_ptr<ProgressView> make_terminal_view();
// A closed stderr does not stop a build.
void print_progress(std::string_view text);
// The first words of an instruction, safe to print.
std::string short_instruction(std::string_view text, std::size_t limit = 200);
std::string stage_prefix(const StepView& step);

}  // namespace detail

}  // namespace proa::build
