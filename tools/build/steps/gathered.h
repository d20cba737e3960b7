// What a COPY or ADD takes: files of a tree, and what had to be fetched.
#pragma once

#include <memory>
#include <vector>

#include "tools/build/graph/transfer_plan.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

class Session;

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

// What the instruction names in one tree. A pattern may fit nothing, but not all of them.
void select_sources(const TransferPlan& plan, SourceTree& tree, const IgnoreRules& excludes, Gathered& gathered);
// A file by HTTP, checked against plan.checksum.
Piece& fetch_piece(const std::string& url, const TransferPlan& plan, Session& session, Gathered& gathered);
void add_repository(const TransferPlan& plan, const GitRef& ref, const std::string& commit, Session& session,
                    const std::string& agent, Gathered& gathered);

// --chown by the files of a root. Files of a context become root's, those of stages and images keep their owner.
std::optional<Ownership> owner_of(const std::string& text, const os::Dir& root, bool from_context);
// Copies or unpacks all of them into a root.
void put_pieces(const TransferPlan& plan, const IgnoreRules& excludes, const Gathered& gathered, Session& session,
                const os::Dir& dir, std::optional<Ownership> owner);

}  // namespace proa::build
