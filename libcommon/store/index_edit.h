// Changes of the image table, as pure functions, and the one way a changed table gets to disk. Internal to the store.
#pragma once

#include <functional>
#include <string>

#include "libcommon/store/index_file.h"

namespace proa::store {

// Adds the image under its names (under none: as a dangling image, unless it has a name already). A name leaves the
// image that had it, which stays as a dangling one if it was its last. Repo digests join those known.
void add_image(ImageTable& table, const StoredImage& image);
void add_cached(ImageTable& table, const StoredImage& image, const std::string& cache_key);
bool remove_name(ImageTable& table, const std::string& name);  // false: was not there
void remove_manifest(ImageTable& table, const oci::Digest& manifest);

enum class Purpose { Add, Remove };

// Reads the index, lets `edit` change it and replaces it durably, all under the exclusive lock. An unchanged index is
// not written. `sync_objects` makes durable what the new index names; it is called after the new index is written and
// synced, and before it gets its name: on journalling file systems that sync has done most of the work already.
// Purpose::Remove works on a full disk: it gives up the spare file for the new index.
void update_index(
    const Store& store, Purpose purpose, const std::function<void(ImageTable&)>& edit,
    const std::function<void()>& sync_objects = [] {});

}  // namespace proa::store
