// The image store as a verb of ours needs it: opened when first asked for, in the user namespace that it has to be
// written in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/config/paths.h"
#include "libcommon/os/idmap.h"
#include "libcommon/store/store.h"
#include "libcommon/transport/open.h"

namespace proa::copy {

class LocalStore {
 public:
  enum class Access {
    Read,   // names and blobs
    Files,  // the same, in the user namespace: what subordinate ids own can be read
    Names,  // changes index.json only
    Layers  // writes or removes files of layers: enters the user namespace, so it has to come before the first thread
  };
  explicit LocalStore(Access access);

  const store::Store& store();  // made when absent, unless only Read
  // nullptr: there is no store yet, hence no images. For Read.
  const store::Store* if_present();
  os::IdMode id_mode() const { return id_mode_; }
  std::string owners() const;  // the same as a word, for store::Transaction and store::check
  const config::Paths& paths() const { return paths_; }

  // NotFound in podman's words.
  store::StoredImage get(const std::string& name);
  std::optional<store::StoredImage> find(const std::string& name);

  // For transport::open_source and open_destination.
  transport::OpenOptions open_options(const transport::RegistryOptions& registry);

 private:
  Access access_;
  config::Paths paths_;
  std::shared_ptr<registry::BlobPlaces> places_;
  os::IdMode id_mode_ = os::IdMode::Root;
  std::optional<store::Store> store_;
};

// For --platform on verbs that take an image as it is here: InvalidArgument when it is for another one. Empty: any.
void require_platform(const store::StoredImage& image, const std::string& name, const std::string& platform);

[[noreturn]] void image_not_known(const std::string& name);

// How an image's name is shown: as docker does, "hello:latest".
std::string familiar(const std::string& canonical_name);

}  // namespace proa::copy
