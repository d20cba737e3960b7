#include "libcommon/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace proa {
namespace {

TEST(Error, TextHasTheContextOfLiveScopesOutermostFirst) {
  While outer{"pulling app:1"};
  int formatted = 0;
  While inner{[&] {
    ++formatted;
    return std::string("reading the manifest");
  }};
  { While gone{"not any more"}; }
  EXPECT_EQ(formatted, 0);
  Error error(ErrorCode::NotFound, "404 not found", "check the name");
  EXPECT_EQ(error.text(), "pulling app:1: reading the manifest: 404 not found");
  EXPECT_EQ(error.message(), "404 not found");
  EXPECT_EQ(error.hint(), "check the name");
  EXPECT_EQ(formatted, 1);
}

TEST(Error, ScopesEndWhenAnExceptionPasses) {
  try {
    While scope{"inside"};
    throw Error(ErrorCode::Io, "first");
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "inside: first");
  }
  EXPECT_EQ(Error(ErrorCode::Io, "second").text(), "second");
}

TEST(Error, SystemErrorsNameOperationAndCause) {
  Error error = system_error("open /x/y", EACCES);
  EXPECT_EQ(error.text(), "open /x/y: Permission denied");
  EXPECT_EQ(error.code(), ErrorCode::PermissionDenied);
  EXPECT_EQ(error.error_number(), EACCES);
  EXPECT_EQ(system_error("write", ENOSPC).code(), ErrorCode::NoSpace);
}

}  // namespace
}  // namespace proa
