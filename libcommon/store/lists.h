// Lists of images that a user puts together here before they go to a registry (`manifest create`): an image index and,
// for each of its entries, where that image can be read. The images themselves need not be in the store.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/reference.h"
#include "libcommon/store/store.h"

namespace proa::store {

struct ImageList {
  oci::Reference name;
  oci::Index index;
  std::map<oci::Digest, std::string> sources;  // of the entries: "docker://...", "storage:sha256:..."

  oci::Digest id() const;  // the same for as long as the list has its name
};

ImageList new_list(const oci::Reference& name);
std::optional<ImageList> find_list(const Store& store, const oci::Reference& name);
std::vector<ImageList> all_lists(const Store& store);

// Durable when they return. `edit` gets what is stored, or nullopt, and returns what takes its place; all under the
// store's lock, so that no other change is lost.
void edit_list(const Store& store, const oci::Reference& name,
               const std::function<ImageList(std::optional<ImageList>)>& edit);
bool remove_list(const Store& store, const oci::Reference& name);  // false: there was none

}  // namespace proa::store
