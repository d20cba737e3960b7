#include "libcommon/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace proa {
namespace {

thread_local const WhileBase* innermost = nullptr;

std::string with_context(const std::string& message) {
  std::vector<const WhileBase*> scopes;
  for (const WhileBase* scope = innermost; scope != nullptr; scope = scope->outer()) scopes.push_back(scope);
  std::string text;
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) text += (*scope)->describe() + ": ";
  return text + message;
}

}  // namespace

WhileBase::WhileBase() noexcept : outer_(innermost) { innermost = this; }
WhileBase::~WhileBase() { innermost = outer_; }

Error::Error(ErrorCode code, std::string message, std::string hint)
    : code_(code), message_(std::move(message)), text_(with_context(message_)), hint_(std::move(hint)) {}

ErrorCode code_for_errno(int error_number) noexcept {
  switch (error_number) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV:
      return ErrorCode::NotFound;
    case EEXIST:
      return ErrorCode::AlreadyExists;
    case EBUSY:
    case ETXTBSY:
    case EADDRINUSE:
      return ErrorCode::InUse;
    case EPERM:
    case EACCES:
    case EROFS:
      return ErrorCode::PermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::NoSpace;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::Unsupported;
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return ErrorCode::Unavailable;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::LimitExceeded;
    default:
      return ErrorCode::Io;
  }
}

std::string errno_text(int error_number) {
  const char* text = strerrordesc_np(error_number);
  return text != nullptr ? text : "error " + std::to_string(error_number);
}

Error system_error(std::string_view operation, int error_number) {
  return Error(code_for_errno(error_number), std::string(operation) + ": " + errno_text(error_number))
      .with_errno(error_number);
}

Error system_error(std::string_view operation) { return system_error(operation, errno); }

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "proa: internal error: %s (%s:%d). This is a bug in proa.\n", expression, file, line);
  std::abort();
}

}  // namespace proa
