// What a build says while it works: steps to stderr, foreign text escaped; the output of commands as it comes.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace proa::build {

class Progress {
 public:
  enum class Mode { Plain, Quiet };
  explicit Progress(Mode mode) : mode_(mode) {}

  void expect(std::size_t steps) { total_ += steps; }
  void step(std::string_view stage, std::string_view instruction);
  void cached();
  void line(std::string_view text);
  // Output of the running step. The last lines are kept for a failure.
  void output(std::string_view data);
  // What a failed step said last, when it was not shown already.
  void show_tail();

 private:
  Mode mode_;
  std::size_t number_ = 0, total_ = 0;
  std::string tail_;
};

}  // namespace proa::build
