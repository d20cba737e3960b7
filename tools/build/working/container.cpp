#include "tools/build/working/container.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/json.h"

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/spec/volumes.h"

namespace proa::build {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxRecord = 16u << 20;

// Renamed into its place whole: a reader sees the old one or the new one.
void write_record(const os::Path& folder, const std::string& text) {
  os::Path fresh = os::join(folder, "record.json.new"), path = os::join(folder, "record.json");
  ::unlink(fresh.c_str());
  os::UniqueFd fd = os::open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
  os::write_all(fd.get(), text, fresh);
  if (::fsync(fd.get()) != 0) throw system_error("sync " + fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) throw system_error("rename " + fresh);
}

}  // namespace

std::string WorkingContainer::encode() const {
  Json entries = Json::array();
  for (const oci::History& entry : history) {
    entries.push_back({{"createdBy", entry.created_by}, {"created", entry.created.value_or("")}});
  }
  Json json = {{"id", id},
               {"name", name},
               {"image", image},
               {"imageId", image_id},
               {"created", created},
               {"config", oci::ImageConfig::encode(config).raw},
               {"annotations", annotations},
               {"format", format},
               {"history", entries}};
  return json.dump();
}

WorkingContainer WorkingContainer::decode(const std::string& text) {
  WorkingContainer container;
  try {
    Json json = Json::parse(text);
    container.id = json.at("id");
    container.name = json.at("name");
    container.image = json.at("image");
    container.image_id = json.at("imageId");
    container.created = json.at("created");
    container.config = oci::ImageConfig::parse(json.at("config").get<std::string>());
    container.annotations = json.at("annotations").get<oci::Annotations>();
    container.format = json.at("format");
    for (const Json& entry : json.at("history")) {
      oci::History history;
      history.created = entry.at("created").get<std::string>();
      history.created_by = entry.at("createdBy");
      history.empty_layer = true;
      container.history.push_back(std::move(history));
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::Corrupt, fmt::format("the record of a working container: {}", error.what()));
  }
  return container;
}

std::vector<WorkingContainer> WorkingContainers::list() const {
  std::vector<WorkingContainer> result;
  if (!os::exists(folder_)) return result;
  for (const std::string& id : os::list_dir(folder_)) {
    // Without a record: on its way, or left by a killed command.
    auto text = os::try_read_file(os::join(path(id), "record.json"), kMaxRecord);
    if (text) result.push_back(WorkingContainer::decode(*text));
  }
  std::sort(result.begin(), result.end(),
            [](const WorkingContainer& a, const WorkingContainer& b) { return a.created < b.created; });
  return result;
}

bool WorkingContainers::is_taken(const std::string& name) const {
  std::vector<WorkingContainer> all = list();
  return std::any_of(all.begin(), all.end(), [&](const WorkingContainer& one) { return one.name == name; });
}

std::string WorkingContainers::free_name(const std::string& image) const {
  std::string base = image.empty() ? "working-container" : image.substr(image.find_last_of('/') + 1);
  if (!image.empty()) base = base.substr(0, base.find_first_of(":@")) + "-working-container";
  std::string name = base;
  for (int i = 1; is_taken(name); ++i) name = fmt::format("{}-{}", base, i);
  return name;
}

WorkingContainer WorkingContainers::create(WorkingContainer container, const std::string& name) {
  if (!name.empty()) spec::check_object_name("container", name);
  os::make_dirs(folder_, 0700);
  // Names are given one at a time.
  auto naming = os::FileLock::acquire(folder_ + ".lock", os::FileLock::Mode::Exclusive);
  if (!name.empty() && is_taken(name)) {
    throw Error(ErrorCode::AlreadyExists, fmt::format("the container name \"{}\" is already in use", name));
  }
  container.id = random_hex(32);
  container.name = name.empty() ? free_name(container.image) : name;
  os::make_dirs(upper(container), 0755);
  os::make_dirs(work(container), 0700);
  os::make_dirs(mount_point(container), 0700);
  write_record(path(container.id), container.encode());
  return container;
}

WorkingContainer WorkingContainers::find(const std::string& text) const {
  std::vector<WorkingContainer> fits;
  for (WorkingContainer& container : list()) {
    if (container.name == text || container.id == text) return std::move(container);
    if (!text.empty() && container.id.starts_with(text)) fits.push_back(std::move(container));
  }
  if (fits.size() == 1) return std::move(fits[0]);
  if (!fits.empty())
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: several working containers fit", escape_control(text)));
  throw Error(ErrorCode::NotFound, fmt::format("{}: no such working container", escape_control(text)),
              "`proa-build containers` lists them");
}

os::FileLock WorkingContainers::lock(const WorkingContainer& container) const {
  return os::FileLock::acquire(os::join(path(container.id), "lock"), os::FileLock::Mode::Exclusive);
}

void WorkingContainers::save(const WorkingContainer& container) {
  write_record(path(container.id), container.encode());
}

void WorkingContainers::rename(WorkingContainer container, const std::string& name) {
  spec::check_object_name("container", name);
  auto naming = os::FileLock::acquire(folder_ + ".lock", os::FileLock::Mode::Exclusive);
  if (is_taken(name)) {
    throw Error(ErrorCode::AlreadyExists, fmt::format("the container name \"{}\" is already in use", name));
  }
  container.name = name;
  save(container);
}

void WorkingContainers::remove(const WorkingContainer& container) {
  // The record first: without it there is no container.
  ::unlink(os::join(path(container.id), "record.json").c_str());
  os::remove_tree(path(container.id));
}

Snapshot base_of(const store::Store& store, const WorkingContainer& container) {
  Snapshot snapshot;
  snapshot.config = container.config;
  if (container.image_id.empty()) return snapshot;
  auto image = store.find_id(oci::ImageId(oci::Digest::from_hex(oci::DigestAlgorithm::Sha256, container.image_id)));
  if (!image) throw Error(ErrorCode::NotFound, fmt::format("the image of {} is gone", container.name));
  snapshot.layers = store.manifest(*image).layers;
  snapshot.top = image->top_layer;
  return snapshot;
}

}  // namespace proa::build
