// What a COPY or ADD takes: files of a tree, and what had to be fetched.
#pragma once

#include <memory>
#include <vector>

#include "tools/build/steps/source_tree.h"

namespace proa::build {

struct Piece {
  SourceTree* tree = nullptr;  // not owned
  Source source;
  bool fetched = false;              // by HTTP: unpacked only when asked for
  std::optional<std::size_t> depth;  // --parents: its path without so many components is kept
};

struct Gathered {
  std::vector<std::unique_ptr<SourceTree>> trees;  // of fetched files
  std::vector<Piece> pieces;
};

// The path that --parents keeps.
std::string kept_path(const Piece& piece);

}  // namespace proa::build
