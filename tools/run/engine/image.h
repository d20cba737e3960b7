// The image of a new container: in the store, or pulled into it first.
#pragma once

#include <optional>
#include <string>

#include "libcommon/oci/image.h"
#include "libcommon/store/store.h"
#include "tools/run/engine/containers.h"
#include "tools/run/engine/run_options.h"

namespace proa::engine {

struct ImageChoice {
  store::Store store;
  store::StoredImage image;
  oci::ImageConfig config;
  std::vector<os::Path> lowers;  // top first
};

// By --pull (missing, always, never, newer) and --platform. A pull runs `proa-copy pull`, its progress goes to stderr.
// On return the container uses the image: the store keeps it.
ImageChoice choose_image(const Containers& containers, const RunOptions& options, const std::string& container_id);

// The overlay's lower directories of a container that exists.
std::vector<os::Path> lowers_of(const Containers& containers, const ContainerRecord& record);

// A program of ours: beside our own file, else by PATH.
std::string sibling_program(const std::string& name);

}  // namespace proa::engine
