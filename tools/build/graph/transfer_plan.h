// COPY and ADD with their variables filled in: what goes where. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/build/containerfile/instruction.h"
#include "tools/build/containerfile/mode.h"
#include "tools/build/sources/git_ref.h"
#include "tools/build/steps/metadata.h"

namespace proa::build {

struct TransferPlan {
  std::vector<std::string> sources;  // paths and patterns, in the order of the instruction
  std::vector<std::string> urls;     // ADD: files by HTTP
  std::vector<GitRef> repositories;  // ADD: git
  std::vector<InlineFile> files;     // here-documents
  std::string from;                  // expanded; empty: the build context
  std::string destination;           // absolute
  bool into_folder = false;          // written with a slash at its end
  bool add = false, link = false, parents = false;
  std::optional<bool> unpack;
  bool keep_git_dir = false;
  std::string chown, chmod, checksum;
  std::vector<std::string> excludes;

  std::optional<ModeChange> mode() const;
  // Whether archives are unpacked: ADD does so with local files unless told otherwise, with fetched ones when told.
  bool unpacks(bool fetched) const { return add && unpack.value_or(!fetched); }
  // What decides the result, but for the content of sources.
  std::vector<std::string> key_words() const;
  std::string history(const Transfer& as_written) const;
};

// Throws InvalidArgument: no destination, several sources for a file, a checksum for what has none.
TransferPlan plan_transfer(const Transfer& transfer, const StageState& state);

// How many components of a path --parents leaves out: those before "/./".
std::size_t pivot_depth(const std::string& pattern);

}  // namespace proa::build
