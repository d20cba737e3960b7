// Errors that cross from one thread to another.
#pragma once

#include <exception>

namespace proa {

// An error of another thread knows only that thread's While scopes; thrown anew it gets this thread's before them.
[[noreturn]] void rethrow_here(const std::exception_ptr& failure);

}  // namespace proa
