#include "libcommon/store/store.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/lock.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

constexpr std::string_view kLayoutPrefix = "proa store ";
// Not in the kernel's magic.h.
constexpr long kExfatMagic = 0x2011BAB0, kNtfsMagic = 0x5346544e, kNtfs3Magic = 0x7366746e, kCifsMagic = 0xFF534D42;

// File systems without links, owners, extended attributes or dependable locks.
std::string_view unusable_kind(long magic) {
  switch (magic) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case kCifsMagic:
      return "an SMB share";
    case MSDOS_SUPER_MAGIC:
      return "FAT";
    case kExfatMagic:
      return "exFAT";
    case kNtfsMagic:
    case kNtfs3Magic:
      return "NTFS";
    default:
      return {};
  }
}

void check_file_system(const os::Dir& root) {
  struct statfs info {};
  if (::fstatfs(root.fd(), &info) != 0) throw system_error("statfs " + root.name());
  if (auto kind = unusable_kind(static_cast<long>(info.f_type)); !kind.empty()) {
    throw Error(ErrorCode::Unsupported,
                "the image store " + root.name() + " is on " + std::string(kind) + ", which cannot hold layers",
                "choose a directory on a local disk with --root or PROA_ROOT");
  }
}

// The store holds files with the setuid bits and owners of images: nobody else may reach into it (CVE-2024-25621).
void check_owner(const os::Dir& root) {
  struct stat info {};
  if (::fstat(root.fd(), &info) != 0) throw system_error("stat " + root.name());
  if (info.st_uid != ::geteuid()) {
    throw Error(ErrorCode::PermissionDenied, "the image store " + root.name() + " belongs to another user",
                "choose another directory with --root or PROA_ROOT");
  }
  if ((info.st_mode & 077) != 0) {
    throw Error(ErrorCode::PermissionDenied, "the image store " + root.name() + " is open to other users",
                "chmod 700 " + root.name());
  }
}

// False: no layout file, so not a (complete) store.
bool check_version(const os::Dir& root) {
  auto text = os::try_read_file(layout::kLayout, 4096, root.fd());
  if (!text) return false;
  std::string_view line = trim(*text);
  std::optional<int> version;
  if (line.starts_with(kLayoutPrefix)) version = parse_integer<int>(line.substr(kLayoutPrefix.size()));
  if (!version || *version < 1)
    throw Error(ErrorCode::Corrupt, root.name() + "/layout is not the version file of a store");
  if (*version > layout::kVersion) {
    throw Error(ErrorCode::Unsupported,
                "the image store " + root.name() + " has version " + std::to_string(*version) +
                    ", this proa knows up to " + std::to_string(layout::kVersion),
                "use the newer proa that wrote it, or another directory with --root or PROA_ROOT");
  }
  return true;
}

void write_if_absent(const os::Dir& root, const os::Path& path, std::string_view content) {
  if (os::exists(path, root.fd())) return;
  os::Path fresh = path + ".new";
  call::unlink(fresh, root.fd());
  os::StoreFile file = os::StoreFile::create(fresh, root.fd());
  file.write(content);
  file.sync();
  call::rename(fresh, root.fd(), path, root.fd());
}

// Every step may already be done: by a process that was killed here, or one that is waiting for the lock.
void initialise(const os::Dir& root) {
  const int at = root.fd();
  call::make_dir_if_absent(layout::kLocks, at);
  os::FileLock lock = os::FileLock::acquire(os::join(root.name(), layout::kStoreLock), os::FileLock::Mode::Exclusive);
  if (os::exists(layout::kLayout, at)) return;
  for (const os::Path& path : {layout::kImages, layout::kBlobs, layout::kBlobs + "/sha256", layout::kLayers,
                               layout::kStaging, layout::kTrash, layout::kLeases, layout::kUses}) {
    call::make_dir_if_absent(path, at);
  }
  write_if_absent(root, layout::kOciLayout, "{\"imageLayoutVersion\":\"1.0.0\"}\n");
  write_if_absent(root, layout::kIndex,
                  "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}\n");
  write_if_absent(root, layout::kSpare, std::string(layout::kSpareSize, ' '));
  call::sync_dir(layout::kBlobs, at);
  call::sync_dir(layout::kImages, at);
  call::sync_dir(".", at);
  write_if_absent(root, layout::kLayout, std::string(kLayoutPrefix) + std::to_string(layout::kVersion) + "\n");
  call::sync_dir(".", at);
}

std::optional<os::Dir> open_root(const os::Path& path) {
  auto fd = os::try_open(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::nullopt;
  return os::Dir(std::move(*fd), path);
}

}  // namespace

std::optional<Store> Store::try_open(const os::Path& path) {
  auto root = open_root(path);
  if (!root) return std::nullopt;
  check_owner(*root);
  check_file_system(*root);
  if (!check_version(*root)) return std::nullopt;
  return Store(std::move(*root));
}

Store Store::open(const os::Path& path, Create create) {
  if (auto store = try_open(path)) return std::move(*store);
  if (create == Create::No) throw Error(ErrorCode::NotFound, path + ": no image store there");
  os::make_dirs(path, 0700);
  os::Dir root = os::Dir::open(path);
  check_owner(root);
  check_file_system(root);
  initialise(root);
  return Store(std::move(root));
}

os::Path Store::image_layout() const { return os::join(root(), layout::kImages); }
os::Path Store::layer_dir(const oci::ChainId& chain) const { return os::join(root(), layout::layer_path(chain)); }
os::Path Store::layer_diff(const oci::ChainId& chain) const { return layer_dir(chain) + "/diff"; }

os::UniqueFd Store::open_blob_file(const oci::Digest& digest) const {
  While opening{[&] { return "blob " + digest.str(); }};
  os::Path path = layout::blob_path(digest);
  if (!os::exists(path, fd())) throw Error(ErrorCode::NotFound, "not in the store");
  // A named pipe or device in its place must not make us wait.
  return os::open_regular(path, UINT64_MAX, fd());
}

std::optional<std::uint64_t> Store::blob_size(const oci::Digest& digest) const {
  auto info = os::try_stat(layout::blob_path(digest), fd());
  if (!info || !S_ISREG(info->st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(info->st_size);
}

std::string Store::read_blob(const oci::Digest& digest, std::uint64_t max_size) const {
  return os::read_fd(open_blob_file(digest).get(), max_size, "blob " + digest.str());
}

std::optional<LayerRecord> Store::layer(const oci::ChainId& chain) const {
  return read_layer_record(layout::layer_path(chain), fd(), chain);
}

}  // namespace proa::store
