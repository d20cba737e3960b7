#pragma once

#include <utility>

namespace proa {

// Runs `action` at the end of the scope unless dismissed. The action must not throw.
template <typename Action>
class [[nodiscard]] Defer {
 public:
  explicit Defer(Action action) : action_(std::move(action)) {}
  Defer(const Defer&) = delete;
  Defer& operator=(const Defer&) = delete;
  ~Defer() {
    if (armed_) action_();
  }
  void dismiss() noexcept { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace proa
