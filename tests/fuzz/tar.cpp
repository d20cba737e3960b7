// Layers from anybody: errors are proa::Error, nothing outside the root changes, what was applied can be made a layer
// again.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "libcommon/archive/archive_reader.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/archive/tar_format.h"
#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"

namespace {

using namespace proa;

struct Workspace {
  Workspace() {
    // As root of a user namespace no mode of an entry is an obstacle to cleaning up.
    os::enter_user_namespace(os::plan_user_namespace());
    std::string name = std::filesystem::temp_directory_path() / "proa-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
    // In memory where it can be, in a mount namespace that ends with us.
    (void)::mount("tmpfs", path.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, "size=64m,mode=0700");
    std::filesystem::create_directory(path + "/canary");
    os::write_all(os::open(path + "/canary/victim", O_WRONLY | O_CREAT | O_EXCL, 0600).get(),
                  std::string_view("precious"), "victim");
    state = canary();
  }
  ~Workspace() {
    (void)::umount2(path.c_str(), MNT_DETACH);
    os::remove_tree(path);
  }

  // Times tell of every change; reading the file does not count.
  std::string canary() const {
    std::string text;
    for (const char* name : {"/canary", "/canary/victim"}) {
      auto info = os::stat(path + name);
      text += std::to_string(info.st_ctim.tv_sec) + "." + std::to_string(info.st_ctim.tv_nsec) + " ";
    }
    return text;
  }

  std::string path, state;
};

template <typename Action>
void quietly(Action action) {
  try {
    action();
  } catch (const Error&) {
  }
}

// A mutated header would be refused for its checksum, and nothing behind it ever be reached.
void repair_checksums(std::string& tar) {
  for (std::size_t at = 0; at + archive::kBlock <= tar.size();) {
    std::string_view block(tar.data() + at, archive::kBlock);
    if (archive::TarHeader(io::as_bytes(block)).is_zero()) return;
    auto size = archive::parse_tar_number(block.substr(archive::field::kSize.offset, archive::field::kSize.size));
    char sum[8];
    std::snprintf(sum, sizeof sum, "%06o", static_cast<unsigned>(archive::tar_checksums(block)[0]));
    tar.replace(at + archive::field::kChecksum.offset, 8, std::string(sum, 7) + " ");
    if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > tar.size()) return;
    at += archive::kBlock + (static_cast<std::size_t>(*size) + archive::kBlock - 1) / archive::kBlock * archive::kBlock;
  }
}

void apply_and_make(const Workspace& work, const std::string& tar, archive::WhiteoutStyle style) {
  const std::string root = work.path + "/root";
  os::make_dirs(root);
  quietly([&] {
    archive::ApplyOptions options;
    options.mode = os::IdMode::Single;  // works for everybody: no ids, no devices
    options.whiteouts = style;
    auto dir = os::Dir::open(root);
    auto source = io::decompress_any(std::make_unique<io::MemorySource>(tar));
    io::LimitSource limited(std::move(source), 4 << 20, "layer");
    archive::apply_layer(limited, dir, options);
    io::NullSink nowhere;
    archive::make_layer(dir, nowhere);
  });
  os::remove_tree(root);
  if (work.canary() != work.state) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Workspace work;
  std::string tar(reinterpret_cast<const char*>(data), size);
  if (io::detect_compression(io::as_bytes(tar)) == io::Compression::None) repair_checksums(tar);
  apply_and_make(work, tar, archive::WhiteoutStyle::OverlayUser);
  apply_and_make(work, tar, archive::WhiteoutStyle::Merge);
  quietly([&] {
    os::UniqueFd file = os::open(work.path, O_TMPFILE | O_RDWR, 0600);
    os::write_all(file.get(), std::string_view(tar), "archive");
    auto reader = archive::ArchiveReader::open(std::move(file), "archive", work.path);
    for (const auto& name : reader.members()) quietly([&] { reader.read_member(name, 1 << 20); });
  });
  return 0;
}
