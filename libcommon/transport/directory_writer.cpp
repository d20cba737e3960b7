#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>
#include <vector>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/lock.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::transport {

namespace {

constexpr std::string_view kStagingPrefix = ".proa-";

void remove_dead_staging(const os::Dir& target) {
  for (const auto& name : os::list_dir(target.fd(), target.name())) {
    if (!name.starts_with(kStagingPrefix)) continue;
    auto folder = os::try_open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, target.fd());
    if (!folder) continue;
    auto lock = os::FileLock::try_lock(std::move(*folder), os::FileLock::Mode::Exclusive, name);
    if (lock) os::remove_tree(name, target.fd());
  }
}

void rename_at(int from_dir, const std::string& from, int to_dir, const std::string& to) {
  if (::renameat(from_dir, from.c_str(), to_dir, to.c_str()) != 0) throw system_error(fmt::format("rename to {}", to));
}

class DirectoryWriter final : public TreeWriter {
 public:
  explicit DirectoryWriter(const std::string& path) : made_target_(!os::exists(path)), target_(open_target(path)) {
    staging_name_ = std::string(kStagingPrefix) + random_hex(8);
    // A target that we made goes away again when we cannot even start.
    Defer undo([&]() noexcept { drop_target(); });
    remove_dead_staging(target_);
    if (::mkdirat(target_.fd(), staging_name_.c_str(), 0700) != 0) {
      throw system_error(fmt::format("mkdir {}", os::join(path, staging_name_)));
    }
    undo.dismiss();
    auto lock = os::FileLock::try_lock(os::open(staging_name_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, target_.fd()),
                                       os::FileLock::Mode::Exclusive, staging_name_);
    PROA_CHECK(lock.has_value());
    staging_ = std::move(lock);
  }

  ~DirectoryWriter() override {
    try {
      os::remove_tree(staging_name_, target_.fd());
    } catch (const std::exception& error) {
      log::warn(error.what());
    }
    if (!committed_) drop_target();
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, const PathOf& path_of, std::stop_token stop) override {
    const std::string temporary = fresh_name();
    io::FdSink sink(os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, staging_->fd()),
                    os::join(target_.name(), temporary));
    StoredBlob stored = store_content(plan, content, sink, stop);
    add(Entry{.staged = temporary, .path = path_of(stored.digest)});
    return stored;
  }

  void put_text(const std::string& path, std::string_view text) override {
    const std::string temporary = fresh_name();
    auto file = os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, staging_->fd());
    os::write_all(file.get(), text, os::join(target_.name(), path));
    const std::lock_guard guard(mutex_);
    texts_.push_back(Entry{.staged = temporary, .path = path});
  }

  void put_link(const std::string& path, const std::string& target) override {
    const std::string temporary = fresh_name();
    if (::symlinkat(target.c_str(), staging_->fd(), temporary.c_str()) != 0)
      throw system_error(fmt::format("symlink {}", path));
    const std::lock_guard guard(mutex_);
    texts_.push_back(Entry{.staged = temporary, .path = path});
  }

  bool has(const std::string& path) const override {
    {
      const std::lock_guard guard(mutex_);
      if (paths_.contains(path)) return true;
    }
    return os::try_stat(path, target_.fd(), 0).has_value();
  }

  void commit() override {
    // One flush for all files, before the first name appears.
    if (::syncfs(target_.fd()) != 0) throw system_error(fmt::format("syncfs {}", target_.name()));
    for (const auto& entry : entries_) place(entry);
    for (const auto& entry : texts_) place(entry);
    committed_ = true;
    for (const auto& folder : folders_) sync_folder(folder);
    sync_folder(".");
  }

 private:
  struct Entry {
    std::string staged, path;
  };

  static os::Dir open_target(const std::string& path) {
    os::make_dirs(path, 0755);
    return os::Dir::open(path);
  }

  std::string fresh_name() { return fmt::format("{}", counter_.fetch_add(1)); }

  void add(Entry entry) {
    const std::lock_guard guard(mutex_);
    if (!paths_.insert(entry.path).second) return;  // the same blob twice; the copy goes with the staging folder
    entries_.push_back(std::move(entry));
  }

  void place(const Entry& entry) {
    const auto slash = entry.path.rfind('/');
    if (slash != std::string::npos) {
      const std::string folder = entry.path.substr(0, slash);
      if (folders_.insert(folder).second) target_.make_dirs_in_root(folder, 0755);
    }
    rename_at(staging_->fd(), entry.staged, target_.fd(), entry.path);
  }

  void sync_folder(const std::string& folder) const {
    const auto fd = os::open(folder, O_RDONLY | O_DIRECTORY, 0, target_.fd());
    if (::fsync(fd.get()) != 0) throw system_error(fmt::format("fsync {}", os::join(target_.name(), folder)));
  }

  // Only an empty one goes.
  void drop_target() noexcept {
    if (made_target_) ::rmdir(target_.name().c_str());
  }

  bool made_target_;
  os::Dir target_;
  std::string staging_name_;
  std::optional<os::FileLock> staging_;
  mutable std::mutex mutex_;
  std::set<std::string> paths_;
  std::vector<Entry> entries_, texts_;
  std::set<std::string> folders_;
  std::atomic<unsigned> counter_{0};
  bool committed_ = false;
};

}  // namespace

std::unique_ptr<TreeWriter> make_directory_writer(const std::string& path) {
  return std::make_unique<DirectoryWriter>(path);
}

}  // namespace proa::transport
