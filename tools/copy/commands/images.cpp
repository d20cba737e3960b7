#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "tools/copy/commands.h"
#include "tools/copy/image_rows.h"
#include "tools/copy/local_store.h"
#include "tools/copy/refused.h"

namespace proa::copy {

namespace {

struct ImagesOptions {
  std::vector<std::string> names;
  bool all = false;
  bool digests = false;
  bool history = false;
  bool no_trunc = false;
  bool no_heading = false;
  bool quiet = false;
  std::vector<std::string> filters;
  std::string format;
  std::string sort = "created";
};

const cli::Listing& listing(bool digests, bool history) {
  static const std::map<std::string, std::string> headers = {{"ID", "IMAGE ID"},
                                                             {"CreatedSince", "CREATED"},
                                                             {"CreatedAt", "CREATED AT"},
                                                             {"RepoTags", "REPO TAGS"},
                                                             {"RepoDigests", "REPO DIGESTS"}};
  static const cli::Listing plain{"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", headers};
  static const cli::Listing with_digests{
      "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", headers};
  static const cli::Listing with_history{
      "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.History}}", headers};
  if (history) return with_history;
  return digests ? with_digests : plain;
}

void sort_rows(nlohmann::json& rows, const std::string& key) {
  static const std::map<std::string, std::string> fields = {{"repository", "Repository"}, {"tag", "Tag"}, {"id", "Id"}};
  if (key == "created") return;  // as the store lists them: newest first
  if (key == "size") {
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a["Bytes"] < b["Bytes"]; });
    return;
  }
  const auto field = fields.find(key);
  if (field == fields.end()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is not a valid field for sorting", escape_control(key)),
                "choose created, id, repository, size or tag");
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto& a, const auto& b) { return a[field->second] < b[field->second]; });
}

std::vector<store::StoredImage> select(LocalStore& local, const ImagesOptions& options) {
  const auto* present = local.if_present();
  if (present == nullptr) return {};
  auto filters = options.filters;
  if (!options.names.empty()) {
    // An id is looked up; anything else is a pattern.
    if (auto image = present->find(options.names.front()); image && image->id.hex().starts_with(options.names.front()))
      return {*image};
    filters.push_back("reference=" + options.names.front());
  }
  return filter_images(*present, present->list(), filters);
}

void print_ids(const nlohmann::json& rows) {
  std::set<std::string> seen;
  for (const auto& row : rows) {
    const auto id = row["ID"].get<std::string>();
    if (seen.insert(id).second) fmt::print("{}\n", id);
  }
}

// An image that was asked for by name shows that name's rows only.
void keep_named(nlohmann::json& rows, const ImagesOptions& options) {
  if (options.names.empty() || options.names.front().find_first_of("*?[") != std::string::npos) return;
  const auto wanted = [&]() -> std::optional<oci::Reference> {
    try {
      return oci::Reference::parse_normalized(options.names.front());
    } catch (const Error&) {
      return std::nullopt;
    }
  }();
  if (!wanted) return;
  nlohmann::json kept = nlohmann::json::array();
  for (auto& row : rows) {
    if (row["Repository"] == wanted->familiar_name() && (!wanted->tag() || row["Tag"] == *wanted->tag()))
      kept.push_back(row);
  }
  if (!kept.empty()) rows = std::move(kept);
}

cli::ExitCode images(cli::Context&, const ImagesOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  const auto found = select(local, options);
  nlohmann::json rows =
      found.empty() ? nlohmann::json::array() : image_rows(local.store(), found, {.no_trunc = options.no_trunc});
  keep_named(rows, options);
  sort_rows(rows, options.sort);
  if (options.quiet && options.format.empty()) {
    print_ids(rows);
    return 0;
  }
  fmt::print("{}",
             cli::format_listing(listing(options.digests, options.history), options.format, rows, !options.no_heading));
  return 0;
}

}  // namespace

cli::Command images_command(std::string name) {
  auto command =
      cli::command<ImagesOptions>(std::move(name), "List images")
          .flag("all,a", &ImagesOptions::all, "Accepted for compatibility: there are no intermediate images")
          .flag("digests", &ImagesOptions::digests, "Show digests")
          .value("filter,f", &ImagesOptions::filters,
                 "Show only what fits: dangling=true, reference=PATTERN, label=KEY[=VALUE], ...", "KEY=VALUE")
          .value("format", &ImagesOptions::format, "json, table TEMPLATE, or a Go template", "FORMAT")
          .flag("history", &ImagesOptions::history, "Show the names of the image in a column of their own")
          .flag("no-trunc", &ImagesOptions::no_trunc, "Do not shorten ids")
          .flag("noheading,n", &ImagesOptions::no_heading, "Leave the heading out")
          .flag("quiet,q", &ImagesOptions::quiet, "Show ids only")
          .value("sort", &ImagesOptions::sort, "Sort by created, id, repository, size or tag", "FIELD")
          .with([](cli::CommandBuilder<ImagesOptions>& b) {
            refuse_flag(b, "tree", false, "`proa image tree IMAGE` shows the layers of an image");
          })
          .positionals("[IMAGE]", &ImagesOptions::names, 0, 1, cli::Complete::Image);
  auto result = std::move(command).runs(images);
  if (result.name == "ls") result.aliases = {"list"};
  return result;
}

}  // namespace proa::copy
