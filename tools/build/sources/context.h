// Where a build takes its files from: a folder, stdin, a git repository, a file by HTTP, or another image.
#pragma once

#include <optional>
#include <string>

#include "libcommon/os/dir.h"
#include "tools/build/containerfile/ignore.h"
#include "tools/build/sources/git_ref.h"

namespace proa::build {

class Session;

struct ContextSpec {
  enum class Kind { Folder, Stdin, Git, Url, Image } kind = Kind::Folder;
  std::string text;  // path, URL, or name of the image
  std::optional<GitRef> git;
};

// "-", a path, a URL, "docker-image://NAME". `folder_exists`: whether a folder of that name is there, which decides for
// names that could be both. Pure.
ContextSpec parse_context(const std::string& text, bool folder_exists);

struct OpenContext {
  std::optional<os::Dir> root;
  std::optional<std::string> containerfile;  // when what came was one, and no archive
};

// Opens a folder; fetches and unpacks the others into the session. Not for images.
OpenContext open_context(const ContextSpec& spec, Session& session, const std::string& agent);

// A file of a context, at most so large; links in it stay inside. nullopt: there is none. Throws for what is no file.
std::optional<std::string> read_context_file(const os::Dir& root, const std::string& name, std::uint64_t max_size);
// .containerignore or .dockerignore of a context.
IgnoreRules read_context_ignore(const os::Dir& root);

}  // namespace proa::build
