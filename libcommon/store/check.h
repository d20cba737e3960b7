// Does the store hold what it says, and making it so again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcommon/io/stream.h"
#include "libcommon/os/dir.h"
#include "libcommon/store/store.h"

namespace proa::store {

struct Finding {
  enum class Kind {
    BadIndex,     // index.json, an entry or a name of it cannot be read
    MissingBlob,  // an image needs it
    BadBlob,      // its bytes do not have its digest or size
    MissingLayer,
    BadLayer,      // layer.json, or files changed, missing, cut or added
    BadUse,        // the image of a container or of a running process contradicts itself
    UnknownFile,   // not ours, in a folder of ours
    Unreferenced,  // no damage: the next collection takes it
    Leftover,      // no damage: staging of a dead transaction
    OtherIds,      // no damage seen: a layer unpacked with another way to keep owners than the present one
    Uncompared,    // no damage seen: there was no room to make a layer again
  };
  Kind kind;
  std::string object;  // digest, chain id, name or path
  std::string text;    // what is wrong, in words; paths escaped
  bool damage() const { return kind < Kind::Unreferenced; }
};

struct CheckOptions {
  std::string owners;  // as for Transaction::begin(): how this process sees owners
  bool content =
      true;  // false: fingerprints only; true: layers are made again from their blobs and compared byte by byte
};

// Changes nothing that is kept; content needs room in staging for the largest layer.
std::vector<Finding> check(const Store& store, const CheckOptions& options);

struct RepairReport {
  std::vector<Finding> findings;
  std::vector<std::string> actions;  // "layer sha256:...: made again", "image x: removed, its config is lost"
};

// Keeps every intact object: makes damaged layers again from intact blobs, and those unpacked with one mapped id where
// more are mapped now; sets aside the rest, so that a plain pull brings it again; drops names of images that lost
// manifest or config. May be killed at any moment and repeated.
RepairReport repair(const Store& store, const CheckOptions& options);

}  // namespace proa::store
