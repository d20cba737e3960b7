#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "tools/copy/commands.h"
#include "tools/copy/image_rows.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct HistoryOptions {
  std::vector<std::string> images;
  std::string format;
  std::string platform;
  bool human = true;
  bool no_trunc = false;
  bool quiet = false;
};

constexpr std::size_t kShownWidth = 45;

nlohmann::json row(const oci::History& entry, const std::string& id, std::uint64_t size,
                   const HistoryOptions& options) {
  const auto time = entry.created ? parse_rfc3339(*entry.created) : std::nullopt;
  const auto since = ago(entry.created);
  const auto at = time ? format_rfc3339(std::chrono::floor<std::chrono::seconds>(*time)) : std::string();
  const bool shorten = !options.no_trunc && options.format != "json";
  return {{"ID", id},
          {"Id", id},
          {"Created", options.human ? since : at},
          {"CreatedSince", since},
          {"CreatedAt", at},
          {"CreatedBy", shorten ? cli::ellipsis(entry.created_by, kShownWidth) : entry.created_by},
          {"Size", options.human ? human_size(static_cast<double>(size), 3) : fmt::format("{}", size)},
          {"Comment", entry.comment},
          {"Tags", nlohmann::json::array()}};
}

// Newest first; each entry with files has its layer's size, the newest one the image's id.
nlohmann::json history_rows(const store::Store& store, const store::StoredImage& image, const HistoryOptions& options) {
  auto history = store.config(image).history;
  const auto layers = store.layers(image);
  // Images without a history still have layers to show.
  while (history.empty() || static_cast<std::size_t>(std::count_if(history.begin(), history.end(), [](const auto& h) {
                              return !h.empty_layer;
                            })) < layers.size()) {
    if (layers.empty()) break;
    oci::History entry;
    entry.created = image.created;
    history.push_back(entry);
  }
  std::size_t layer = 0;
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t i = 0; i < history.size(); ++i) {
    std::uint64_t size = 0;
    if (!history[i].empty_layer && layer < layers.size()) size = layers[layer++].size;
    std::string id = "<missing>";
    if (i + 1 == history.size()) id = options.no_trunc ? image.id.str() : image.id.digest().short_id();
    rows.insert(rows.begin(), row(history[i], id, size, options));
  }
  return rows;
}

cli::ExitCode history(cli::Context&, const HistoryOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  const auto image = local.get(options.images.front());
  require_platform(image, options.images.front(), options.platform);
  const auto rows = history_rows(local.store(), image, options);
  if (options.quiet && options.format.empty()) {
    for (const auto& entry : rows) fmt::print("{}\n", entry["ID"].get<std::string>());
    return 0;
  }
  static const cli::Listing listing{"table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
                                    {{"CreatedBy", "CREATED BY"}}};
  fmt::print("{}", cli::format_listing(listing, options.format, rows));
  return 0;
}

}  // namespace

cli::Command history_command() {
  return cli::command<HistoryOptions>("history", "Show how an image was made")
      .value("format", &HistoryOptions::format, "json, table TEMPLATE, or a Go template", "FORMAT")
      .flag("human,H", &HistoryOptions::human, "Sizes and times for people")
      .flag("no-trunc", &HistoryOptions::no_trunc, "Do not shorten ids and commands")
      .value("platform", &HistoryOptions::platform, "Fail unless the image is for this platform", "OS/ARCH[/VARIANT]")
      .flag("quiet,q", &HistoryOptions::quiet, "Show ids only")
      .positionals("IMAGE", &HistoryOptions::images, 1, 1, cli::Complete::Image)
      .runs(history);
}

}  // namespace proa::copy
