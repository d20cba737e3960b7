#include "libcommon/store/lists.h"

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/json.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

os::Path path_of(const oci::Reference& name) {
  return os::join(layout::kLists, std::string(io::digest_of(name.str()).hex()) + ".json");
}

std::string encode(const ImageList& list) {
  nlohmann::json sources = nlohmann::json::object();
  for (const auto& [digest, source] : list.sources) sources[digest.str()] = source;
  const auto index = oci::Index::encode(list.index);
  return oci::dump_json({{"name", list.name.str()}, {"index", read_json(index.raw)}, {"sources", sources}}) + "\n";
}

ImageList decode(std::string_view text, const os::Path& file) {
  const auto json = oci::parse_json(text, file, oci::kMaxManifestSize);
  const oci::JsonObject object(json, file);
  ImageList list{.name = oci::Reference::parse(object.require_string("name")),
                 .index = oci::Index::parse(oci::dump_json(object.require_object("index").value()), oci::kOciIndex),
                 .sources = {}};
  for (const auto& [digest, source] : object.string_map("sources"))
    list.sources.insert_or_assign(oci::Digest::parse(digest), source);
  return list;
}

std::optional<ImageList> read(const Store& store, const os::Path& path) {
  const auto text = os::try_read_file(path, oci::kMaxManifestSize, store.fd());
  if (!text) return std::nullopt;
  return decode(*text, path);
}

}  // namespace

oci::Digest ImageList::id() const { return io::digest_of(name.str()); }

ImageList new_list(const oci::Reference& name) {
  oci::Index index{.media_type = std::string(oci::kOciIndex),
                   .manifests = {},
                   .annotations = {},
                   .artifact_type = {},
                   .subject = {},
                   .raw = {}};
  return {.name = name, .index = oci::Index::encode(std::move(index)), .sources = {}};
}

std::optional<ImageList> find_list(const Store& store, const oci::Reference& name) {
  return read(store, path_of(name));
}

std::vector<ImageList> all_lists(const Store& store) {
  std::vector<ImageList> lists;
  if (!os::exists(layout::kLists, store.fd())) return lists;
  const auto folder = os::Dir::open(layout::kLists, store.fd());
  for (const auto& file : os::list_dir(folder.fd(), folder.name())) {
    if (!file.ends_with(".json")) continue;
    if (auto list = read(store, os::join(layout::kLists, file))) lists.push_back(std::move(*list));
  }
  return lists;
}

void edit_list(const Store& store, const oci::Reference& name,
               const std::function<ImageList(std::optional<ImageList>)>& edit) {
  const os::FileLock guard = lock_exclusive(store.root());
  const auto path = path_of(name);
  const auto text = encode(edit(read(store, path)));
  call::make_dir_if_absent(layout::kLists, store.fd());
  // Written under the exclusive lock only: what a killed writer left is replaced.
  const auto fresh = path + ".new";
  call::unlink(fresh, store.fd());
  auto file = os::StoreFile::create(fresh, store.fd());
  file.write(text);
  file.sync();
  call::rename(fresh, store.fd(), path, store.fd());
  call::sync_dir(layout::kLists, store.fd());
}

bool remove_list(const Store& store, const oci::Reference& name) {
  const os::FileLock guard = lock_exclusive(store.root());
  if (!call::unlink(path_of(name), store.fd())) return false;
  call::sync_dir(layout::kLists, store.fd());
  return true;
}

}  // namespace proa::store
