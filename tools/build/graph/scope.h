// Which variables an instruction of a stage sees: ARGs that were declared, and the environment, which wins.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/instruction.h"

namespace proa::build {

// The --build-args of a build, and which of them any stage took.
class BuildArgs {
 public:
  explicit BuildArgs(Variables values) : values_(std::move(values)) {}
  const Variables& values() const { return values_; }
  const std::string* use(const std::string& key);
  std::vector<std::string> unused() const;

 private:
  Variables values_;
  std::set<std::string> used_;
};

class Scope {
 public:
  Scope(BuildArgs& build_args, const Variables& global_args, const Variables& platform_args, char escape)
      : build_args_(build_args), global_args_(global_args), platform_args_(platform_args) {
    options_.escape = escape;
  }

  // What the stage below this one declared holds here, too.
  void inherit(Variables declared) { declared_ = std::move(declared); }
  void declare(const Arg& arg, const std::vector<std::string>& env);
  std::string expand_word(std::string_view word, const std::vector<std::string>& env) const;
  std::vector<std::string> expand_words(std::string_view word, const std::vector<std::string>& env) const;
  // The content of a here-document: quotes mean nothing in it.
  std::string expand_content(std::string_view content, const std::vector<std::string>& env) const;

  const Variables& declared() const { return declared_; }
  // "K=V" of the declared ARGs that have a value: the environment of RUN holds them too.
  std::vector<std::string> arguments() const;
  // Proxy settings given as --build-arg need no ARG; they reach commands, but no cache key and no image.
  std::vector<std::string> proxies() const;

 private:
  Variables variables(const std::vector<std::string>& env) const;

  BuildArgs& build_args_;
  const Variables& global_args_;
  const Variables& platform_args_;
  ExpandOptions options_;
  Variables declared_;
};

// "K=V" entries: sets K, in place when it is there.
void set_env(std::vector<std::string>& env, const std::string& key, const std::string& value);

}  // namespace proa::build
