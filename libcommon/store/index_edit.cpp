#include "libcommon/store/index_edit.h"

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

// Written under the exclusive lock only, so one name is enough; a killed writer's file is replaced.
const os::Path kFreshIndex = layout::kIndex + ".new";

bool is_image(const IndexEntry& entry, const oci::Digest& manifest) {
  return entry.cache_key.empty() && entry.image.manifest.digest == manifest;
}

bool has_image(const ImageTable& table, const oci::Digest& manifest) {
  return std::any_of(table.entries.begin(), table.entries.end(),
                     [&](const IndexEntry& entry) { return is_image(entry, manifest); });
}

void share_repo_digests(ImageTable& table, const oci::Digest& manifest, std::vector<std::string> digests) {
  for (const IndexEntry& entry : table.entries) {
    if (!is_image(entry, manifest)) continue;
    for (const std::string& text : entry.image.repo_digests) {
      if (std::find(digests.begin(), digests.end(), text) == digests.end()) digests.push_back(text);
    }
  }
  for (IndexEntry& entry : table.entries) {
    if (is_image(entry, manifest)) entry.image.repo_digests = digests;
  }
}

void add_entry(ImageTable& table, const StoredImage& image, std::vector<std::string> names) {
  IndexEntry entry{image, {}};
  entry.image.names = std::move(names);
  table.entries.push_back(std::move(entry));
}

void drop_nameless(ImageTable& table, const oci::Digest& manifest) {
  std::erase_if(table.entries,
                [&](const IndexEntry& entry) { return is_image(entry, manifest) && entry.image.names.empty(); });
}

void replace_index(const Store& store, const std::string& text, const std::function<void()>& sync_objects) {
  const int at = store.fd();
  call::unlink(kFreshIndex, at);
  os::StoreFile file = os::StoreFile::create(kFreshIndex, at);
  file.write(text);
  file.sync();
  sync_objects();
  call::rename(kFreshIndex, at, layout::kIndex, at);
  call::sync_dir(layout::kImages, at);
}

void refill_spare(const Store& store) noexcept {
  try {
    os::StoreFile file = os::StoreFile::create(layout::kSpare, store.fd());
    file.write(std::string(layout::kSpareSize, ' '));
  } catch (const Error&) {
    // Still no room: a spare that is too short helps less, but misleads nobody.
  }
}

}  // namespace

void add_image(ImageTable& table, const StoredImage& image) {
  const oci::Digest& manifest = image.manifest.digest;
  for (const std::string& name : image.names) {
    remove_name(table, name);
    drop_nameless(table, manifest);
    add_entry(table, image, {name});
  }
  if (!has_image(table, manifest)) add_entry(table, image, {});
  share_repo_digests(table, manifest, image.repo_digests);
}

void add_cached(ImageTable& table, const StoredImage& image, const std::string& cache_key) {
  std::erase_if(table.entries, [&](const IndexEntry& entry) { return entry.cache_key == cache_key; });
  add_entry(table, image, {});
  table.entries.back().cache_key = cache_key;
}

bool remove_name(ImageTable& table, const std::string& name) {
  auto named = [&](const IndexEntry& entry) { return !entry.image.names.empty() && entry.image.names.front() == name; };
  auto found = std::find_if(table.entries.begin(), table.entries.end(), named);
  if (found == table.entries.end()) return false;
  StoredImage image = std::move(found->image);
  table.entries.erase(found);
  if (!has_image(table, image.manifest.digest)) add_entry(table, image, {});
  return true;
}

void remove_manifest(ImageTable& table, const oci::Digest& manifest) {
  std::erase_if(table.entries, [&](const IndexEntry& entry) { return is_image(entry, manifest); });
}

void update_index(const Store& store, Purpose purpose, const std::function<void(ImageTable&)>& edit,
                  const std::function<void()>& sync_objects) {
  os::FileLock guard = lock_exclusive(store.root());
  const std::string before = os::read_file(layout::kIndex, layout::kMaxIndexSize, store.fd());
  ImageTable table = parse_index(before);
  edit(table);
  const std::string after = encode_index(table);
  if (after == before) {
    // Whoever wrote it may have been killed before its last sync.
    sync_objects();
    return call::sync_dir(layout::kImages, store.fd());
  }
  try {
    replace_index(store, after, sync_objects);
  } catch (const Error& error) {
    if (purpose != Purpose::Remove || error.code() != ErrorCode::NoSpace) throw;
    call::unlink(layout::kSpare, store.fd());
    replace_index(store, after, sync_objects);
  }
  if (purpose == Purpose::Remove && !os::exists(layout::kSpare, store.fd())) refill_spare(store);
}

}  // namespace proa::store
