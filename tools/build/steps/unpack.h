// ADD of archives.
#pragma once

#include <memory>

#include "libcommon/io/stream.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/session.h"

namespace proa::build {

// The plain tar in a file, or nullptr: ADD copies what is no archive.
std::unique_ptr<io::Source> open_archive(const SourceTree& tree, const Source& source);

// Unpacks into the destination of `files`. With an owner or mode to be set (`changed`) by way of a folder of the
// session.
void unpack_archive(io::Source& tar, const SourceTree& tree, const Source& source, CopyFiles& files, Session& session,
                    bool changed);

}  // namespace proa::build
