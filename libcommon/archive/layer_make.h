// Making a layer: a directory (the upper directory of an overlay mount, or a whole tree) becomes a tar stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/io/stream.h"
#include "libcommon/os/dir.h"

namespace proa::archive {

struct MakeOptions {
  // OverlayUser, OverlayTrusted: the tree is an overlay's upper or a stored layer: character devices 0:0 become
  // `.wh.NAME`, the opaque xattr becomes `.wh..wh..opq` before the directory's other entries, all other overlay xattrs
  // are left out. Merge, Plain: an ordinary tree; there are no whiteouts.
  WhiteoutStyle whiteouts = WhiteoutStyle::OverlayUser;
  // No file is newer than this (seconds since 1970): SOURCE_DATE_EPOCH. https://reproducible-builds.org/specs/
  std::optional<std::int64_t> clamp_mtime;
  // Leaves the root directory's own entry out when nothing about it matters (the root of a diff).
  bool root_entry = false;
  // Names in the archive begin with this folder; with root_entry the tree's root is the entry of that name.
  std::string prefix;
  // Not the whole tree, but this entry of its root directory.
  std::optional<std::string> only;
};

struct MakeResult {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;            // of file content, holes included
  std::uint64_t skipped_sockets = 0;  // tar has no such thing
};

// Equal trees give equal bytes: entries sorted by name (bytes) below their directory, whole seconds, no atime, ctime or
// user names, ustar headers with PAX records only where something does not fit. user.proa.owner and user.proa.device
// are turned back into header fields; hard links are kept within the tree; capabilities are written as version 2; files
// with large holes stay sparse (PAX 1.0). Memory grows with the number of hard links and the names of one directory at
// a time. Throws Unsupported for overlay uppers made with redirect_dir or metacopy. Does not call finish() of `tar`.
MakeResult make_layer(const os::Dir& tree, io::Sink& tar, const MakeOptions& options = {});

}  // namespace proa::archive
