// A busybox container for tests, made by the same calls as the programs make.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcommon/runtime/generate.h"
#include "libcommon/runtime/launch.h"

namespace proa::test {

struct Result {
  int code = -1;           // of the command; 200: the test's child itself failed
  std::string out, error;  // standard output; text of a thrown error
};

class Box {
 public:
  Box();
  ~Box();
  const std::string& root() const { return root_; }
  const std::string& directory() const { return directory_; }
  // A file or directory below the root.
  void file(const std::string& path, const std::string& text, unsigned mode = 0644) const;
  void dir(const std::string& path) const;
  void link(const std::string& target, const std::string& path) const;

  runtime::ContainerSpec spec;
  bool single = false;  // act as a user without subordinate ids
  std::function<void(oci::RuntimeSpec&)> edit;
  std::function<void(runtime::LaunchRequest&)> request;

  // In a child: enters the user namespace, generates, launches, waits; collects standard output and error.
  Result run() const;
  Result sh(const std::string& script);
  // The child's part of run(), for tests that do more between start and end.
  void in_namespace(const std::function<int()>& body, Result& result) const;
  runtime::Generated generate(const os::UserNamespacePlan& plan) const;
  os::UserNamespacePlan enter() const;

 private:
  std::string directory_, root_;
};

}  // namespace proa::test
