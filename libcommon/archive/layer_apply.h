// Applying a layer: a plain tar stream becomes files below one directory. image-spec layer.md.
// Nothing in the stream is trusted: every name is resolved inside the root, the last component is created new and never
// followed, what was there before is replaced. docs/security.md, "Archives".
#pragma once

#include <cstdint>
#include <string>

#include "libcommon/io/stream.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"

namespace proa::archive {

// How removals of the layer are kept.
//   OverlayUser, OverlayTrusted: for overlayfs, in a fresh directory of this layer alone: a whiteout is a character
//   device
//     0:0, an opaque directory has user.overlay.opaque (trusted.overlay.opaque) = "y". Kernel documentation, overlayfs.
//   Merge: in a tree that holds the layers below already: what is whited out is removed.
//   Plain: the archive is no layer (ADD, import into a tree, cp): names that begin with ".wh." mean nothing.
enum class WhiteoutStyle { OverlayUser, OverlayTrusted, Merge, Plain };

struct ApplyOptions {
  // Root and Full: owners are set with chown; ids must lie in the maps. Single: only one id exists, so entries of other
  // owners get the xattr user.proa.owner = "uid:gid" (regular files and directories; links and FIFOs cannot carry it).
  os::IdMode mode = os::IdMode::Root;
  WhiteoutStyle whiteouts = WhiteoutStyle::OverlayUser;
  // Entries are put below this path, which is resolved in the root like every other; made when it is missing.
  std::string prefix;
  // The ids that chown can give, as this process sees them; empty: taken from the running process.
  os::IdMap uids, gids;
  // Stop with NoSpace while this much is still free on the file system.
  std::uint64_t free_space_reserve = 64u << 20;
};

struct ApplyResult {
  std::uint64_t entries = 0;    // members of the tar
  std::uint64_t bytes = 0;      // of file content that was written
  std::uint64_t whiteouts = 0;  // opaque markers included
  // The layer hides all layers below, root and all. Overlayfs ignores the mark on the root of a layer, so whoever
  // mounts leaves the lower layers out. Only with an overlay style.
  bool opaque_root = false;
  std::uint64_t dropped_xattrs = 0;   // overlay metadata, ACLs, labels: not taken from images
  std::uint64_t dropped_devices = 0;  // character devices 0:0, which would be whiteouts
};

// Reads `tar` to its very end (so a verifying source has verified), writes below `root`. Throws Corrupt, LimitExceeded,
// Unsupported, InvalidArgument (ids outside the map), NoSpace, Io; the tree is then incomplete and the caller removes
// it. Device nodes: with IdMode::Root they are made. Else they become empty regular files with the xattr
// user.proa.device = "c:MAJOR:MINOR" ("b:..."), which make_layer turns back; they never work as devices.
// Times: mtime to the nanosecond; atime is left alone. Directories get theirs last. Names are bytes.
// All of it happens in a thread of its own, which has no privileges left but to work below `root` (os/confine.h): also
// what `tar` does when it is read, so it must not open files or connections by then. Whatever it inflates is inflated
// there.
ApplyResult apply_layer(io::Source& tar, const os::Dir& root, const ApplyOptions& options);

}  // namespace proa::archive
