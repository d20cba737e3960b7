#include "libcommon/base/rethrow.h"

#include "libcommon/base/error.h"

namespace proa {

void rethrow_here(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    throw Error(error.code(), error.text(), error.hint()).with_errno(error.error_number());
  }
}

}  // namespace proa
