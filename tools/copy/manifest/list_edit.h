// Entries of a list: made from images, changed, found again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/platform.h"
#include "libcommon/store/lists.h"
#include "libcommon/transport/docker.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

// What --os, --arch, ... say about an entry; empty: as the image says.
struct EntryChanges {
  std::string os, arch, variant, os_version;
  std::vector<std::string> os_features;
  std::vector<std::string> annotations;  // "KEY=VALUE"
};

struct ListEntries {
  std::vector<oci::Descriptor> entries;
  std::vector<std::string> sources;  // of each
};

// The name of a list: as for images, ":latest" added.
oci::Reference list_name(const std::string& text);

// The image, or of an index the one for `platform`, or `all` of it. A name without transport is an image of the store,
// else of a registry.
ListEntries entries_of(LocalStore& local, const std::string& image, const transport::RegistryOptions& registry,
                       bool all, const oci::Platform& platform);

void change_entry(oci::Descriptor& entry, const EntryChanges& changes);
void add_annotations(oci::Annotations& annotations, const std::vector<std::string>& texts);

// One with the same digest gives way.
void add_entries(store::ImageList& list, const ListEntries& entries);

}  // namespace proa::copy
