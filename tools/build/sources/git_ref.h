// Names of git repositories, as build contexts and ADD write them:
// https://host/repo.git#ref:folder, git@host:repo.git?subdir=folder#ref, git://..., ssh://..., github.com/owner/repo.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

struct GitUrl {
  std::string scheme, user, host, path;
  std::string remote;  // for git: without query and fragment
  std::map<std::string, std::vector<std::string>> query;
  std::optional<std::string> fragment;  // decoded: "ref:folder"
  // Throws InvalidArgument: another protocol, or none.
  static GitUrl parse(std::string_view text);
};

struct GitRef {
  std::string remote;
  std::string short_name;  // of the repository: "buildkit"
  std::string ref;         // as written; branches and tags asked for by name as refs/heads/x, refs/tags/x
  std::string checksum;    // the commit (or the beginning of its id) that it must be
  std::string subdir;
  bool like_local = false;  // "github.com/x/y" may be a folder, too
  bool unencrypted = false;
  std::optional<bool> keep_git_dir, submodules;
  std::string mtime;  // "checkout", "commit" or empty
  bool fetch_by_commit = false;

  // Throws InvalidArgument when the text names no repository.
  static GitRef parse(std::string_view text);
  static std::optional<GitRef> try_parse(std::string_view text);
};

// Without user and password: what may be shown and kept.
std::string without_credentials(std::string_view url);

}  // namespace proa::build
