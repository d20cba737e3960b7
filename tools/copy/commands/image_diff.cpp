#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "tools/copy/commands.h"
#include "tools/copy/image_tree.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct DiffOptions {
  std::vector<std::string> images;
  std::string format;
};

std::vector<os::Path> layer_folders(const store::Store& store, const store::StoredImage& image) {
  std::vector<os::Path> folders;
  for (const auto& layer : store.layers(image)) folders.push_back(store.layer_diff(layer.chain));
  return folders;
}

void print_json(const std::vector<TreeChange>& changes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [kind, name] :
       {std::pair(ChangeKind::Changed, "changed"), {ChangeKind::Added, "added"}, {ChangeKind::Deleted, "deleted"}}) {
    for (const auto& change : changes) {
      if (change.kind == kind) json[name].push_back(change.path);
    }
  }
  fmt::print("{}\n", json_text(json, 4));
}

cli::ExitCode diff(cli::Context&, const DiffOptions& options) {
  if (!options.format.empty() && options.format != "json")
    throw Error(ErrorCode::InvalidArgument, "only supported value for '--format' is 'json'");
  LocalStore local(LocalStore::Access::Files);
  const auto image = local.get(options.images.front());
  const auto layers = layer_folders(local.store(), image);
  // Of one image: what its last layer changed.
  auto before = layers;
  if (options.images.size() == 2) {
    before = layer_folders(local.store(), local.get(options.images[1]));
  } else if (!before.empty()) {
    before.pop_back();
  }
  const auto changes = compare_trees(read_image_tree(before), read_image_tree(layers));
  if (options.format == "json") {
    print_json(changes);
    return 0;
  }
  for (const auto& change : changes) {
    const char letter = change.kind == ChangeKind::Added ? 'A' : change.kind == ChangeKind::Changed ? 'C' : 'D';
    fmt::print("{} {}\n", letter, escape_control(change.path));
  }
  return 0;
}

}  // namespace

cli::Command image_diff_command() {
  return cli::command<DiffOptions>("diff", "Show what the last layer of an image changed, or what differs between two")
      .value("format", &DiffOptions::format, "json", "FORMAT")
      .positionals("IMAGE [IMAGE]", &DiffOptions::images, 1, 2, cli::Complete::Image)
      .runs(diff);
}

}  // namespace proa::copy
