// oci: and oci-archive:, image-spec v1.1 image-layout.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcommon/transport/file_tree.h"
#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

// image-spec annotations.md: the name of an entry of index.json.
inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";

// index.json of a layout, after oci-layout has been checked. Corrupt when it is none, Unsupported for a version that is
// not 1.x.
oci::Index read_layout_index(const FileTree& tree);
// The entry that `image` (annotation org.opencontainers.image.ref.name) or `position` names; without both the only one
// there is. NotFound lists what there is.
oci::Descriptor choose_layout_image(const oci::Index& index, const std::string& image,
                                    std::optional<std::size_t> position, const std::string& layout);
// "blobs/sha256/..."
std::string layout_blob_path(const oci::Digest& digest);

std::unique_ptr<ImageSource> open_layout_source(const ImageName& name, const OpenOptions& options);
// The same for a tree that is open already (an archive from standard input).
std::unique_ptr<ImageSource> make_layout_source(std::shared_ptr<const FileTree> tree, oci::Descriptor image,
                                                std::string name, config::PolicyScope scope);
std::unique_ptr<ImageDestination> open_layout_destination(const ImageName& name, const OpenOptions& options);

}  // namespace proa::transport
