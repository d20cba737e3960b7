// The one exception type of proa, and the scopes that give it context.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace proa {

// What a caller may decide by. The text of an error is for people only.
enum class ErrorCode {
  Internal,         // a bug in proa
  InvalidArgument,  // what the user typed or a file of the user says is wrong
  NotFound,
  AlreadyExists,
  InUse,
  PermissionDenied,
  Unauthorized,  // a registry wants (other) credentials
  Corrupt,       // data does not match its digest, size or format
  Unsupported,   // kernel, machine or peer cannot do it
  Unavailable,   // network, registry or helper program out of reach
  NoSpace,
  LimitExceeded,  // a ceiling for foreign input was passed
  Cancelled,
  Io,  // any other system call failure
};

// Names what the program is doing while it lives: if an Error is constructed meanwhile on this thread, the text becomes
// part of it. Costs two pointer writes; `describe` is called only when something throws.
//   While pulling{[&] { return fmt::format("pulling {}", ref.familiar()); }};
class WhileBase {
 public:
  WhileBase(const WhileBase&) = delete;
  WhileBase& operator=(const WhileBase&) = delete;

  virtual std::string describe() const = 0;
  const WhileBase* outer() const noexcept { return outer_; }

 protected:
  WhileBase() noexcept;
  ~WhileBase();

 private:
  const WhileBase* outer_;
};

template <typename Describe>
class While final : public WhileBase {
 public:
  explicit While(Describe describe) : describe_(std::move(describe)) {}
  std::string describe() const override {
    if constexpr (std::is_invocable_v<const Describe&>) {
      return std::string(describe_());
    } else {
      return std::string(describe_);
    }
  }

 private:
  Describe describe_;
};
template <typename Describe>
While(Describe) -> While<Describe>;
While(const char*)->While<std::string_view>;

class Error : public std::exception {
 public:
  // `message` says what failed and with which object: "open /x/y: permission denied". Context of the live While scopes
  // goes before it.
  Error(ErrorCode code, std::string message, std::string hint = {});

  ErrorCode code() const noexcept { return code_; }
  // errno of the system call that failed, or 0.
  int error_number() const noexcept { return errno_; }
  // Context and message in one line: "pulling app:1: reading manifest: 404 not found".
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const noexcept { return text_; }
  // The message alone, without the context of scopes.
  const std::string& message() const noexcept { return message_; }
  // What the user can do about it; empty when we do not know.
  const std::string& hint() const noexcept { return hint_; }

  Error&& with_hint(std::string hint) && {
    hint_ = std::move(hint);
    return std::move(*this);
  }
  Error&& with_errno(int number) && {
    errno_ = number;
    return std::move(*this);
  }
  // The code that the program ends with because of this error; nullopt: what it ends with after any other.
  std::optional<int> exit_status() const noexcept { return exit_status_; }
  Error&& with_exit_status(int status) && {
    exit_status_ = status;
    return std::move(*this);
  }
  // A helper program has told the user already, so nobody says it again.
  bool told() const noexcept { return told_; }
  Error&& already_told() && {
    told_ = true;
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  int errno_ = 0;
  std::optional<int> exit_status_;
  bool told_ = false;
  std::string message_;
  std::string text_;
  std::string hint_;
};

// The error of a failed system call: "`operation`: No such file or directory", with a code that fits errno.
// `operation` names call and object: "open /etc/passwd".
Error system_error(std::string_view operation, int error_number);
// The same with the present errno; evaluate arguments that may change errno first.
Error system_error(std::string_view operation);

ErrorCode code_for_errno(int error_number) noexcept;

// The text of errno as people know it: "No such file or directory"; never a locale's.
std::string errno_text(int error_number);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace proa

// For broken invariants (a bug in proa), not for bad input, full disks or odd kernels.
#define PROA_CHECK(expression) ((expression) ? (void)0 : ::proa::check_failed(#expression, __FILE__, __LINE__))
