// A repository on a fake registry, with time limits that suit tests, and no files of the user in the way.
#pragma once

#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/registry/repository.h"
#include "tests/support/fake_registry.h"

namespace proa::testing {

inline registry::SessionOptions quick_options() {
  using std::chrono::milliseconds;
  registry::SessionOptions options;
  options.anonymous = true;
  // Far off, so that a busy machine fails no test; a test that is about them brings its own.
  options.timeouts = {.connect = milliseconds(10000), .response = milliseconds(10000), .stall = milliseconds(10000)};
  options.retry = {.attempts = 4,
                   .first_delay = milliseconds(4),
                   .longest_delay = milliseconds(20),
                   .longest_wait = milliseconds(3000)};
  return options;
}

inline registry::SessionOptions with_password(const std::string& user, const std::string& password) {
  auto options = quick_options();
  options.anonymous = false;
  options.credentials = config::Credentials{.username = user, .password = password, .identity_token = {}};
  return options;
}

inline registry::Repository open(const FakeRegistry& fake, registry::Access access = registry::Access::Pull,
                                 registry::SessionOptions options = quick_options(), const std::string& path = "app") {
  return {std::make_shared<registry::Session>(fake.host(), std::move(options)), path, access};
}

// The error that an action ends with.
template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorCode::Internal, "no error"};
}

// Bytes that no codec makes smaller and no two offsets share.
inline std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = size + 1;
  for (auto& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace proa::testing
