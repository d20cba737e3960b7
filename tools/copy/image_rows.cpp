#include "tools/copy/image_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/glob.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/command.h"
#include "libcommon/oci/reference.h"
#include "libcommon/store/lease.h"

namespace proa::copy {

namespace {

using Json = nlohmann::json;
using store::StoredImage;

std::optional<Time> created_time(const StoredImage& image) {
  return image.created ? parse_rfc3339(*image.created) : std::nullopt;
}

std::int64_t unix_seconds(const std::optional<Time>& time) {
  return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count() : 0;
}

// What `images` shows: "2026-11-23 08:00:00 +0000 UTC".
std::string time_text(const std::optional<Time>& time) {
  if (!time) return "";
  auto text = format_rfc3339(std::chrono::floor<std::chrono::seconds>(*time));
  text[10] = ' ';
  text.pop_back();
  return text + " +0000 UTC";
}

Json row_of(const StoredImage& image, const std::optional<oci::Reference>& name, std::size_t containers,
            const RowOptions& options) {
  const auto created = created_time(image);
  const auto id = options.no_trunc ? image.id.str() : image.id.digest().short_id();
  const auto size = human_size(static_cast<double>(image.size), 3);
  return {{"ID", id},
          {"Id", image.id.hex()},
          {"Repository", name ? (options.full_names ? name->name() : name->familiar_name()) : "<none>"},
          {"Tag", name && name->tag() ? *name->tag() : "<none>"},
          {"Digest", image.manifest.digest.str()},
          {"CreatedAt", time_text(created)},
          {"CreatedSince", ago(image.created)},
          {"CreatedTime", time_text(created)},
          {"Created", unix_seconds(created)},
          {"Size", size},
          {"Bytes", image.size},
          {"VirtualSize", size},
          {"SharedSize", "N/A"},
          {"UniqueSize", "N/A"},
          {"Containers", containers},
          {"Names", image.names},
          {"History", join(image.names, ", ")},
          {"RepoTags", image.names},
          {"RepoDigests", image.repo_digests},
          {"ParentId", ""},
          {"Dangling", image.names.empty()},
          {"IsDangling", image.names.empty()},
          {"ReadOnly", false},
          {"IsReadOnly", false},
          {"IsManifestList", false},
          {"Arch", image.manifest.platform ? image.manifest.platform->architecture : ""},
          {"Os", image.manifest.platform ? image.manifest.platform->os : ""}};
}

struct Filter {
  std::string key, value;
  bool negated = false;
};

Filter parse_filter(const std::string& text) {
  const auto parts = cut(text, "=");
  if (!parts)
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("invalid image filter \"{}\": must be in the format \"filter=value\"", escape_control(text)));
  Filter filter{.key = std::string(parts->first), .value = std::string(parts->second)};
  if (filter.key.ends_with('!')) {
    filter.key.pop_back();
    filter.negated = true;
  }
  return filter;
}

bool name_fits(const std::string& canonical, const std::string& pattern) {
  const auto name = oci::Reference::parse_normalized(canonical);
  for (const auto& text : {name.familiar(), name.familiar_name(), name.str(), name.name()}) {
    const auto fits = glob_match(pattern, text);
    if (!fits)
      throw Error(ErrorCode::InvalidArgument, fmt::format("malformed pattern \"{}\"", escape_control(pattern)));
    if (*fits) return true;
  }
  return false;
}

bool label_fits(const store::Store& store, const StoredImage& image, const std::string& wanted) {
  const auto labels = store.config(image).labels;
  const auto parts = cut(wanted, "=");
  const auto found = labels.find(parts ? std::string(parts->first) : wanted);
  return found != labels.end() && (!parts || found->second == parts->second);
}

Time time_of_filter(const store::Store& store, const std::string& value, bool of_image) {
  if (of_image) {
    const auto image = store.find(value);
    if (!image) throw Error(ErrorCode::NotFound, fmt::format("{}: image not known", escape_control(value)));
    return created_time(*image).value_or(Time{});
  }
  if (const auto time = parse_rfc3339(value)) return *time;
  if (const auto duration = parse_go_duration(value)) return now() - *duration;
  if (const auto seconds = parse_integer<std::int64_t>(value)) return Time(std::chrono::seconds(*seconds));
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("\"{}\" is neither a time nor a duration", escape_control(value)));
}

// The filter's value is worked out once, then asked of every image.
std::function<bool(const StoredImage&)> predicate(const store::Store& store, const Filter& filter) {
  const auto& value = filter.value;
  if (filter.key == "dangling") {
    const bool wanted = cli::parse_bool(value);
    return [wanted](const StoredImage& image) { return image.names.empty() == wanted; };
  }
  if (filter.key == "reference") {
    return [value](const StoredImage& image) {
      return std::any_of(image.names.begin(), image.names.end(),
                         [&](const auto& name) { return name_fits(name, value); });
    };
  }
  if (filter.key == "label")
    return [&store, value](const StoredImage& image) { return label_fits(store, image, value); };
  if (filter.key == "id")
    return [value](const StoredImage& image) {
      return image.id.hex().starts_with(value) || image.id.str().starts_with(value);
    };
  if (filter.key == "before" || filter.key == "until") {
    const auto limit = time_of_filter(store, value, filter.key == "before");
    return [limit](const StoredImage& image) { return created_time(image).value_or(Time{}) < limit; };
  }
  if (filter.key == "since" || filter.key == "after") {
    const auto limit = time_of_filter(store, value, true);
    return [limit](const StoredImage& image) { return created_time(image).value_or(Time{}) > limit; };
  }
  if (filter.key == "containers") {
    const bool wanted = cli::parse_bool(value);
    return [uses = store::count_uses(store), wanted](const StoredImage& image) {
      return uses.contains(image.manifest.digest) == wanted;
    };
  }
  if (filter.key == "readonly" || filter.key == "intermediate") {
    const bool wanted = cli::parse_bool(value);
    return [wanted](const StoredImage&) { return !wanted; };
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("unsupported filter \"{}\"", escape_control(filter.key)),
              "known are before, containers, dangling, id, label, readonly, reference, since, until");
}

}  // namespace

std::string ago(const std::optional<std::string>& rfc3339) {
  const auto time = rfc3339 ? parse_rfc3339(*rfc3339) : std::nullopt;
  return time ? human_duration(now() - *time) + " ago" : "";
}

Json image_rows(const store::Store& store, const std::vector<StoredImage>& images, const RowOptions& options) {
  Json rows = Json::array();
  const auto uses = store::count_uses(store);
  for (const auto& image : images) {
    const auto used = uses.find(image.manifest.digest);
    const auto containers = used == uses.end() ? 0 : used->second;
    for (const auto& name : image.names)
      rows.push_back(row_of(image, oci::Reference::parse_normalized(name), containers, options));
    if (image.names.empty()) {
      // A dangling image is still known by where it came from.
      std::optional<oci::Reference> origin;
      if (!image.repo_digests.empty()) origin = oci::Reference::parse_normalized(image.repo_digests.front());
      rows.push_back(row_of(image, origin, containers, options));
    }
  }
  return rows;
}

std::vector<StoredImage> filter_images(const store::Store& store, std::vector<StoredImage> images,
                                       const std::vector<std::string>& filters) {
  // Values of one key are alternatives, keys add up; labels all have to fit.
  std::map<std::string, std::vector<std::function<bool(const StoredImage&)>>> alternatives;
  for (const auto& text : filters) {
    const auto filter = parse_filter(text);
    auto fits = predicate(store, filter);
    const bool one_by_one = filter.key == "label" || filter.negated;
    if (filter.negated) fits = [fits](const StoredImage& image) { return !fits(image); };
    alternatives[one_by_one ? text : filter.key].push_back(std::move(fits));
  }
  std::erase_if(images, [&](const StoredImage& image) {
    return !std::all_of(alternatives.begin(), alternatives.end(), [&](const auto& entry) {
      return std::any_of(entry.second.begin(), entry.second.end(), [&](const auto& fits) { return fits(image); });
    });
  });
  return images;
}

}  // namespace proa::copy
