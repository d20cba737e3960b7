#include "tools/build/working/work_session.h"

#include <sys/stat.h>

#include "libcommon/base/time.h"

namespace proa::build {
namespace {

config::Paths prepare(const PlaceOptions& places) {
  config::Paths paths = config::find_paths({places.root, places.runroot});
  paths.make();
  paths.export_to_environment();
  return paths;
}

}  // namespace

bool is_mounted(const os::Path& path) {
  auto here = os::try_stat(path), above = os::try_stat(os::join(path, ".."));
  return here && above && here->st_dev != above->st_dev;
}

WorkSession::WorkSession(const PlaceOptions& places, Timestamps times)
    : paths_(prepare(places)),
      session_(store::Store::open(paths_.data, store::Store::Create::Yes), times, true),
      containers_(paths_.data) {}

WorkingContainer& WorkSession::open(const std::string& name) {
  container_ = containers_.find(name);
  lock_ = containers_.lock(*container_);
  // What it was before we waited for the lock may have changed.
  container_ = containers_.find(container_->id);
  return *container_;
}

WorkRoot WorkSession::root(const std::optional<os::Path>& stubs) {
  session_.enter();
  os::Path mounted = containers_.mount_point(*container_);
  if (is_mounted(mounted)) return {os::clone_mount(mounted, false), containers_.upper(*container_)};
  return session_.open_root_at(base(), stubs, containers_.upper(*container_), containers_.work(*container_));
}

void WorkSession::add_history(bool wanted, std::string text) {
  if (!wanted) return;
  oci::History entry;
  entry.created = format_rfc3339(now());
  entry.created_by = std::move(text);
  entry.empty_layer = true;
  container_->history.push_back(std::move(entry));
}

}  // namespace proa::build
