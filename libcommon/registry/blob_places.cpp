#include "libcommon/registry/blob_places.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/url.h"
#include "libcommon/os/file.h"
#include "libcommon/os/lock.h"

namespace proa::registry {
namespace {

// A line that begins with this takes back what an earlier one said.
constexpr std::string_view kGone = "-";

bool is_repository(std::string_view name) {
  constexpr std::string_view kKnown = "abcdefghijklmnopqrstuvwxyz0123456789._-/";
  return !name.empty() && name.size() <= 255 && name.find_first_not_of(kKnown) == std::string_view::npos;
}

}  // namespace

std::string BlobPlaces::path_of(const std::string& host) const {
  return os::join(folder_, http::percent_encode(host));  // a host holds neither '/' nor a leading '.'
}

BlobPlaces::Known& BlobPlaces::known(const std::string& host) {
  const auto at = hosts_.find(host);
  if (at != hosts_.end()) return at->second;
  Known& result = hosts_[host];
  if (folder_.empty()) return result;
  try {
    // Twice the ceiling: several processes may append before one of them shrinks it.
    const auto text = os::try_read_file(path_of(host), 2 * kMaxFile);
    for (std::string_view line : split(text.value_or(""), '\n')) {
      const bool gone = line.starts_with(kGone);
      if (gone) line.remove_prefix(kGone.size());
      const auto parts = cut(line, " ");
      if (!parts || !oci::Digest::try_parse(parts->first) || !is_repository(parts->second)) continue;
      auto& places = result.places[std::string(parts->first)];
      std::erase(places, parts->second);
      if (!gone) places.emplace_back(parts->second);
    }
  } catch (const Error& error) {
    log::debug(error.text());
  }
  return result;
}

std::vector<std::string> BlobPlaces::find(const std::string& host, const oci::Digest& blob,
                                          std::string_view repository) {
  const std::lock_guard lock(mutex_);
  const auto& places = known(host).places;
  const auto at = places.find(blob.str());
  if (at == places.end()) return {};
  std::vector<std::string> result(at->second.rbegin(), at->second.rend());
  std::erase(result, repository);
  return result;
}

void BlobPlaces::remember(const std::string& host, const oci::Digest& blob, const std::string& repository) {
  if (folder_.empty() || !is_repository(repository)) return;
  const std::lock_guard lock(mutex_);
  auto& places = known(host).places[blob.str()];
  if (std::ranges::find(places, repository) != places.end()) return;
  places.push_back(repository);
  append(host, fmt::format("{} {}\n", blob.str(), repository));
}

void BlobPlaces::forget(const std::string& host, const oci::Digest& blob, const std::string& repository) {
  const std::lock_guard lock(mutex_);
  if (std::erase(known(host).places[blob.str()], repository) > 0)
    append(host, fmt::format("{}{} {}\n", kGone, blob.str(), repository));
}

// One write(2) with O_APPEND: lines of several processes do not mix. Never synced: losing the end costs an upload.
void BlobPlaces::append(const std::string& host, const std::string& line) const {
  try {
    os::make_dirs(folder_, 0700);
    const std::string path = path_of(host);
    const auto lock = os::FileLock::acquire(path + ".lock", os::FileLock::Mode::Exclusive);
    const auto file = os::open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    const auto size = static_cast<std::uint64_t>(os::stat(path).st_size);
    // A line that was cut short must not swallow this one.
    char last = '\n';
    if (size > 0 && ::pread(file.get(), &last, 1, static_cast<off_t>(size - 1)) != 1) last = '\0';
    os::write_all(file.get(), (last == '\n' ? "" : "\n") + line, path);
    if (size + line.size() > kMaxFile) shrink(path);
  } catch (const Error& error) {
    log::debug(error.text());
  }
}

void BlobPlaces::shrink(const std::string& path) const {
  std::string text;
  if (os::stat(path).st_size <= static_cast<off_t>(2 * kMaxFile)) text = os::read_file(path, 2 * kMaxFile);
  const auto border = text.find('\n', text.size() / 2);
  const std::string temporary = path + ".new";  // one at a time: the lock is held
  const auto file = os::open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  os::write_all(file.get(), border == std::string::npos ? std::string() : text.substr(border + 1), temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw system_error("rename to " + path);
}

}  // namespace proa::registry
