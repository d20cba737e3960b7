#include "libcommon/store/check.h"

#include <algorithm>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/index_file.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/reachable.h"
#include "libcommon/store/remake.h"
#include "libcommon/store/tree.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

using Kind = Finding::Kind;

// What was there at one moment. Objects that others collect while we look are no damage; objects that come are not
// looked at.
struct Snapshot {
  ImageTable table;
  Holds holds;
  std::vector<oci::Digest> blobs;
  std::vector<oci::ChainId> layers;
};

class Checker {
 public:
  Checker(const Store& store, const CheckOptions& options) : store_(store), options_(options) {}

  std::vector<Finding> run() {
    PROA_CHECK(!options_.owners.empty());
    take_snapshot();
    for (const oci::Digest& digest : snapshot_.blobs) check_blob(digest);
    for (const oci::Digest& manifest : manifests()) check_image(manifest);
    for (const oci::Digest& manifest : snapshot_.holds.used) follow(manifest, Kind::BadUse, "a container");
    for (const oci::Digest& manifest : snapshot_.holds.manifests) {
      follow(manifest, Kind::BadUse, "a running process");
    }
    if (options_.content) remaker_.emplace(store_);
    for (const oci::ChainId& chain : snapshot_.layers) check_layer(chain);
    report_unreferenced();
    return std::move(findings_);
  }

 private:
  void find(Kind kind, std::string object, std::string text) {
    findings_.push_back({kind, std::move(object), escape_control(text)});
  }

  void take_snapshot() {
    os::FileLock guard = lock_shared(store_.root());
    std::vector<std::string> problems;
    auto text = os::try_read_file(layout::kIndex, layout::kMaxIndexSize, store_.fd());
    if (!text) problems.push_back("index.json is missing");
    snapshot_.table = parse_index_leniently(text.value_or("{\"manifests\":[]}"), problems);
    for (std::string& problem : problems) find(Kind::BadIndex, "images/index.json", std::move(problem));
    snapshot_.holds = read_holds(store_);
    list_blobs();
    list_layers();
    list_rest();
  }

  void list_blobs() {
    os::Dir blobs = os::Dir::open(layout::kBlobs, store_.fd());
    for (const std::string& algorithm : os::list_dir(blobs.fd(), blobs.name())) {
      if (!S_ISDIR(os::stat(algorithm, blobs.fd()).st_mode)) {
        find(Kind::UnknownFile, layout::kBlobs + "/" + algorithm, "not a directory of blobs");
        continue;
      }
      os::Dir folder = os::Dir::open(algorithm, blobs.fd());
      for (const std::string& hex : os::list_dir(folder.fd(), folder.name())) {
        auto digest = oci::Digest::try_parse(algorithm + ":" + hex);
        if (digest) {
          snapshot_.blobs.push_back(std::move(*digest));
        } else {
          find(Kind::UnknownFile, layout::kBlobs + "/" + algorithm + "/" + escape_control(hex),
               "not the name of a blob");
        }
      }
    }
  }

  void list_layers() {
    os::Dir layers = os::Dir::open(layout::kLayers, store_.fd());
    for (const std::string& hex : os::list_dir(layers.fd(), layers.name())) {
      auto digest = oci::Digest::try_parse("sha256:" + hex);
      if (digest) {
        snapshot_.layers.emplace_back(std::move(*digest));
      } else {
        find(Kind::UnknownFile, layout::kLayers + "/" + escape_control(hex), "not the name of a layer");
      }
    }
  }

  void list_rest() {
    for (const std::string& name : os::list_dir(os::join(store_.root(), layout::kImages))) {
      if (name == "blobs" || name == "index.json" || name == "oci-layout") continue;
      find(name == "index.json.new" ? Kind::Leftover : Kind::UnknownFile, layout::kImages + "/" + escape_control(name),
           name == "index.json.new" ? "left by a killed command" : "not a file of the store");
    }
    for (const std::string& id : dead_stagings(store_))
      find(Kind::Leftover, layout::kStaging + "/" + id, "left by a killed command");
    for (const std::string& name : os::list_dir(os::join(store_.root(), layout::kTrash))) {
      find(Kind::Leftover, layout::kTrash + "/" + name, "not deleted yet");
    }
  }

  std::set<oci::Digest> manifests() const {
    std::set<oci::Digest> result(snapshot_.table.foreign_manifests.begin(), snapshot_.table.foreign_manifests.end());
    for (const IndexEntry& entry : snapshot_.table.entries) result.insert(entry.image.manifest.digest);
    return result;
  }

  bool still_there(const os::Path& path) const { return os::exists(path, store_.fd()); }

  void check_blob(const oci::Digest& digest) {
    try {
      auto source = open_blob(store_, digest);
      io::NullSink nowhere;
      io::copy(*source, nowhere);
    } catch (const Error& error) {
      if (!still_there(layout::blob_path(digest))) return;
      bad_blobs_.insert(digest);
      find(Kind::BadBlob, digest.str(), error.message());
    }
  }

  void check_image(const oci::Digest& manifest) {
    follow(manifest, Kind::BadIndex, "image manifest " + manifest.str());
    check_entries(manifest);
  }

  // `kind`: of documents that contradict each other, when none of them is absent or damaged, which is reported as such.
  void follow(const oci::Digest& manifest, Kind kind, const std::string& needed_by) {
    Needs needs;
    try {
      add_needs(store_, manifest, needs);
    } catch (const Error& error) {
      const bool told = std::any_of(needs.blobs.begin(), needs.blobs.end(), [&](const oci::Digest& digest) {
        return bad_blobs_.contains(digest) || !store_.blob_size(digest);
      });
      if (!told) find(kind, manifest.str(), error.message());
    }
    for (const oci::Digest& digest : needs.blobs) {
      if (!store_.blob_size(digest) && missing_.insert(digest.str()).second) {
        find(Kind::MissingBlob, digest.str(), "needed by " + needed_by);
      }
    }
    for (const oci::ChainId& chain : needs.layers) {
      if (!still_there(layout::layer_path(chain)) && missing_.insert(chain.str()).second) {
        find(Kind::MissingLayer, chain.str(), "needed by " + needed_by);
      }
    }
    needed_.blobs.merge(needs.blobs);
    needed_.layers.merge(needs.layers);
  }

  // What the index says about the image, against the image.
  void check_entries(const oci::Digest& manifest) {
    for (const IndexEntry& entry : snapshot_.table.entries) {
      if (entry.image.manifest.digest != manifest || bad_blobs_.contains(manifest) || !store_.blob_size(manifest))
        continue;
      const oci::Manifest content = store_.manifest(entry.image);
      if (content.config.digest != entry.image.id.digest()) {
        find(Kind::BadIndex, manifest.str(), "the index names another config than the manifest");
      }
      if (entry.image.top_layer && !needed_.layers.contains(*entry.image.top_layer)) {
        find(Kind::BadIndex, manifest.str(), "the index names a layer that is not of this image");
      }
    }
  }

  void check_layer(const oci::ChainId& chain) {
    try {
      auto record = store_.layer(chain);
      if (!record) throw Error(ErrorCode::Corrupt, "layer.json is missing");
      if (record->owners != options_.owners) {
        return find(
            Kind::OtherIds, chain.str(),
            is_outdated(*record, options_.owners)
                ? "unpacked with one mapped id: owners of its files are emulated; --repair, a pull or a build on "
                  "it unpacks it with all"
                : "unpacked with more ids than this user has now: it cannot be checked, and its files of other "
                  "owners are out of reach");
      }
      const os::Dir diff(
          os::open(layout::layer_path(chain) + "/diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, store_.fd()), "/");
      const bool same = summarize_tree(diff.fd(), chain.str()).fingerprint == record->fingerprint;
      if (!same) find(Kind::BadLayer, chain.str(), describe_change(*record, diff));
      if (same && remaker_) check_content(*record, diff);
    } catch (const Error& error) {
      if (still_there(layout::layer_path(chain))) find(Kind::BadLayer, chain.str(), error.message());
    }
  }

  // The fingerprint says that something changed; what it was, only the blob can tell.
  std::string describe_change(const LayerRecord& record, const os::Dir& diff) {
    std::string text = "files were changed, added or removed since it was unpacked";
    if (!remaker_) return text;
    try {
      return compare(record, diff).value_or(text);
    } catch (const Error&) {
      return text;
    }
  }

  std::optional<std::string> compare(const LayerRecord& record, const os::Dir& diff) {
    constexpr std::size_t kShown = 3;
    auto differences = remaker_->compare(record, diff, kShown);
    if (differences.empty()) return std::nullopt;
    std::string text;
    for (const TreeDifference& difference : differences) {
      text += (text.empty() ? "" : ", ") + difference.path + ": " + difference.text;
    }
    return text;
  }

  void check_content(const LayerRecord& record, const os::Dir& diff) {
    if (!record.blob || bad_blobs_.contains(*record.blob) || !store_.blob_size(*record.blob)) return;
    try {
      if (auto text = compare(record, diff)) find(Kind::BadLayer, record.chain.str(), *text);
    } catch (const Error& error) {
      // Says nothing about the layer: staging has no room, or the store is read-only.
      if (error.code() != ErrorCode::NoSpace && error.code() != ErrorCode::PermissionDenied) throw;
      find(Kind::Uncompared, record.chain.str(), "not compared with its blob: " + error.message());
    }
  }

  void report_unreferenced() {
    for (const oci::ChainId& chain : snapshot_.holds.layers) {
      needed_.layers.insert(chain);
      try {
        if (auto record = store_.layer(chain)) needed_.layers.insert(record->stack.begin(), record->stack.end());
      } catch (const Error&) {
        // Found as a bad layer.
      }
    }
    needed_.blobs.insert(snapshot_.holds.blobs.begin(), snapshot_.holds.blobs.end());
    for (const oci::Digest& digest : snapshot_.blobs) {
      if (!needed_.blobs.contains(digest)) find(Kind::Unreferenced, digest.str(), "a blob of no image");
    }
    for (const oci::ChainId& chain : snapshot_.layers) {
      if (!needed_.layers.contains(chain)) find(Kind::Unreferenced, chain.str(), "a layer of no image");
    }
  }

  const Store& store_;
  const CheckOptions& options_;
  Snapshot snapshot_;
  Needs needed_;
  std::set<oci::Digest> bad_blobs_;
  std::set<std::string> missing_;
  std::optional<LayerRemaker> remaker_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check(const Store& store, const CheckOptions& options) { return Checker(store, options).run(); }

}  // namespace proa::store
