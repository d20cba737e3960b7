// Names of images.
#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/index_edit.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

// An empty staging directory without an owner. Should we be killed between the record and the data, the next command
// that writes finds it and collects.
void announce_removal(const Store& store) {
  try {
    call::make_dir(os::join(layout::kStaging, random_hex(8)), store.fd());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NoSpace) throw;
  }
}

void require_image(const ImageTable& table, const StoredImage& image) {
  auto same = [&](const IndexEntry& entry) {
    return entry.cache_key.empty() && entry.image.manifest.digest == image.manifest.digest;
  };
  if (std::none_of(table.entries.begin(), table.entries.end(), same)) {
    throw Error(ErrorCode::NotFound, "no such image: " + image.id.digest().short_id());
  }
}

}  // namespace

void tag(const Store& store, const StoredImage& image, const oci::Reference& name) {
  if (name.digest())
    throw Error(ErrorCode::InvalidArgument, "a name with a digest cannot be given to an image: " + name.str());
  update_index(store, Purpose::Add, [&](ImageTable& table) {
    require_image(table, image);
    StoredImage named = image;
    named.names = {name.with_default_tag().str()};
    add_image(table, named);
  });
}

void untag(const Store& store, const oci::Reference& name) {
  update_index(store, Purpose::Remove, [&](ImageTable& table) {
    if (!remove_name(table, name.with_default_tag().str())) {
      throw Error(ErrorCode::NotFound, "no such image: " + name.familiar());
    }
  });
}

void add_repo_digest(const Store& store, const StoredImage& image, const std::string& repo_digest) {
  update_index(store, Purpose::Add, [&](ImageTable& table) {
    require_image(table, image);
    StoredImage known = image;
    known.names.clear();
    known.repo_digests = {repo_digest};
    add_image(table, known);
  });
}

void remove_image(const Store& store, const StoredImage& image, bool force) {
  if (!force) {
    std::vector<std::string> users = uses_of(store, image);
    for (std::string& id : users) id = id.substr(0, 12);
    if (!users.empty()) {
      throw Error(ErrorCode::InUse,
                  "image " + image.id.digest().short_id() + " is used by container " + join(users, ", "),
                  "remove the container first, or force it");
    }
  }
  announce_removal(store);
  update_index(store, Purpose::Remove, [&](ImageTable& table) { remove_manifest(table, image.manifest.digest); });
}

std::size_t remove_cached(const Store& store, const std::vector<std::string>& keys) {
  std::size_t removed = 0;
  announce_removal(store);
  update_index(store, Purpose::Remove, [&](ImageTable& table) {
    removed = std::erase_if(table.entries, [&](const IndexEntry& entry) {
      return !entry.cache_key.empty() &&
             (keys.empty() || std::find(keys.begin(), keys.end(), entry.cache_key) != keys.end());
    });
  });
  return removed;
}

}  // namespace proa::store
