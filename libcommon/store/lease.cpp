#include "libcommon/store/lease.h"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

void lock_now(int fd, const os::Path& name) {
  // Only a prober can hold it, for an instant.
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) throw system_error("lock " + name);
  }
}

void add_hold(Holds& holds, std::string_view line) {
  auto parts = cut(line, " ");
  if (!parts) return;
  auto digest = oci::Digest::try_parse(parts->second);
  if (!digest) return;
  if (parts->first == "manifest") holds.manifests.insert(*digest);
  if (parts->first == "blob") holds.blobs.insert(*digest);
  if (parts->first == "layer") holds.layers.emplace(*digest);
}

os::Path use_path(std::string_view container_id) {
  if (container_id.empty() || container_id.find('/') != std::string_view::npos || container_id.starts_with('.')) {
    throw Error(ErrorCode::InvalidArgument, "not a container id: " + escape_control(container_id));
  }
  return os::join(layout::kUses, container_id);
}

std::string use_target(const StoredImage& image) { return image.manifest.digest.str(); }

}  // namespace

os::FileLock lock_shared(const os::Path& root) {
  return os::FileLock::acquire(os::join(root, layout::kStoreLock), os::FileLock::Mode::Shared);
}

os::FileLock lock_exclusive(const os::Path& root) {
  return os::FileLock::acquire(os::join(root, layout::kStoreLock), os::FileLock::Mode::Exclusive);
}

Lease::Lease(os::Path root, os::Dir leases, std::string id, os::StoreFile file)
    : root_(std::move(root)),
      leases_(std::move(leases)),
      id_(std::move(id)),
      file_(std::move(file)),
      owner_(::getpid()) {}

Lease::Lease(Lease&& other) noexcept
    : root_(std::move(other.root_)),
      leases_(std::move(other.leases_)),
      id_(std::move(other.id_)),
      file_(std::move(other.file_)),
      owner_(std::exchange(other.owner_, 0)) {}

Lease::~Lease() {
  // Through strike() like every store write, but a failure only leaves a file for the next sweep.
  if (owner_ == ::getpid() && os::Failpoint::strike() == 0) ::unlinkat(leases_.fd(), id_.c_str(), 0);
}

void Lease::take_over() noexcept { owner_ = ::getpid(); }
void Lease::leave_behind() noexcept { owner_ = 0; }

Lease Lease::create(const Store& store) {
  std::string id = random_hex(8);
  os::Dir leases = os::Dir::open(layout::kLeases, store.fd());
  // With the store lock no sweep sees the file before it is locked.
  os::FileLock guard = lock_shared(store.root());
  os::StoreFile file = os::StoreFile::create(id, leases.fd());
  lock_now(file.fd(), id);
  return Lease(store.root(), std::move(leases), std::move(id), std::move(file));
}

void Lease::note(std::string_view line) { file_.write(std::string(line) + "\n"); }

void Lease::hold(const StoredImage& image) {
  os::FileLock guard = lock_shared(root_);
  std::string lines = "manifest " + image.manifest.digest.str();
  if (image.top_layer) lines += "\nlayer " + image.top_layer->str();
  note(lines);
  const int at = leases_.fd();
  bool there = os::exists("../" + layout::blob_path(image.manifest.digest), at) &&
               (!image.top_layer || os::exists("../" + layout::record_path(*image.top_layer), at));
  if (!there) throw Error(ErrorCode::NotFound, "image " + image.id.digest().short_id() + " has just been removed");
}

void Lease::hold_layer(const oci::ChainId& chain) {
  os::FileLock guard = lock_shared(root_);
  note("layer " + chain.str());
  if (!os::exists("../" + layout::record_path(chain), leases_.fd())) {
    throw Error(ErrorCode::NotFound, "layer " + chain.str() + " is not in the store");
  }
}

bool Lease::hold_blob(const oci::Digest& digest) {
  os::FileLock guard = lock_shared(root_);
  note("blob " + digest.str());
  return os::exists("../" + layout::blob_path(digest), leases_.fd());
}

void add_use(const Store& store, std::string_view container_id, const StoredImage& image) {
  os::FileLock guard = lock_shared(store.root());
  const os::Path path = use_path(container_id);
  call::unlink(path, store.fd());
  // A link, not a file: its content appears together with its name, without a sync.
  call::symlink(use_target(image), path, store.fd());
}

void remove_use(const Store& store, std::string_view container_id) { call::unlink(use_path(container_id), store.fd()); }

std::vector<std::string> uses_of(const Store& store, const StoredImage& image) {
  std::vector<std::string> ids;
  os::Dir uses = os::Dir::open(layout::kUses, store.fd());
  for (std::string& id : os::list_dir(uses.fd(), uses.name())) {
    auto info = os::try_stat(id, uses.fd());
    if (info && S_ISLNK(info->st_mode) && os::read_link(id, uses.fd()) == use_target(image))
      ids.push_back(std::move(id));
  }
  return ids;
}

std::map<oci::Digest, std::size_t> count_uses(const Store& store) {
  std::map<oci::Digest, std::size_t> counts;
  os::Dir uses = os::Dir::open(layout::kUses, store.fd());
  for (const std::string& id : os::list_dir(uses.fd(), uses.name())) {
    auto info = os::try_stat(id, uses.fd());
    if (!info || !S_ISLNK(info->st_mode)) continue;
    if (auto digest = oci::Digest::try_parse(os::read_link(id, uses.fd()))) ++counts[*digest];
  }
  return counts;
}

bool lease_is_live(const Store& store, const std::string& id) {
  auto fd = os::try_open(os::join(layout::kLeases, id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, store.fd());
  if (!fd) return false;
  return !os::FileLock::try_lock(std::move(*fd), os::FileLock::Mode::Shared, id).has_value();
}

Holds read_holds(const Store& store) {
  Holds holds;
  os::Dir leases = os::Dir::open(layout::kLeases, store.fd());
  for (const std::string& id : os::list_dir(leases.fd(), leases.name())) {
    if (!lease_is_live(store, id)) continue;
    auto text = os::try_read_file(id, layout::kMaxLeaseSize, leases.fd());
    if (!text) continue;
    for (const std::string& line : split(*text, '\n')) add_hold(holds, line);
  }
  os::Dir uses = os::Dir::open(layout::kUses, store.fd());
  for (const std::string& id : os::list_dir(uses.fd(), uses.name())) {
    auto info = os::try_stat(id, uses.fd());
    if (!info || !S_ISLNK(info->st_mode)) continue;
    if (auto digest = oci::Digest::try_parse(os::read_link(id, uses.fd()))) holds.used.insert(*digest);
  }
  return holds;
}

std::vector<std::string> dead_leases(const Store& store) {
  std::vector<std::string> dead;
  os::Dir leases = os::Dir::open(layout::kLeases, store.fd());
  for (std::string& id : os::list_dir(leases.fd(), leases.name())) {
    if (!lease_is_live(store, id)) dead.push_back(std::move(id));
  }
  return dead;
}

std::vector<std::string> dead_stagings(const Store& store) {
  std::vector<std::string> dead;
  os::Dir staging = os::Dir::open(layout::kStaging, store.fd());
  for (std::string& id : os::list_dir(staging.fd(), staging.name())) {
    if (!lease_is_live(store, id)) dead.push_back(std::move(id));
  }
  return dead;
}

std::string boot_id() { return std::string(trim(os::read_file("/proc/sys/kernel/random/boot_id", 128))); }

bool is_of_this_boot(const Store& store, const std::string& id) {
  auto text = os::try_read_file(os::join(layout::kLeases, id), layout::kMaxLeaseSize, store.fd());
  return text && text->starts_with("boot " + boot_id() + "\n");
}

}  // namespace proa::store
