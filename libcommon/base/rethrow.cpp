#include "libcommon/base/rethrow.h"

#include "libcommon/base/error.h"

namespace proa {

void rethrow_here(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    Error here = Error(error.code(), error.text(), error.hint()).with_errno(error.error_number());
    if (error.exit_status()) here = std::move(here).with_exit_status(*error.exit_status());
    if (error.told()) here = std::move(here).already_told();
    throw here;
  }
}

}  // namespace proa
