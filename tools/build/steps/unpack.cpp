#include "tools/build/steps/unpack.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <array>

#include "libcommon/archive/import.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::build {

std::unique_ptr<io::Source> open_archive(const SourceTree& tree, const Source& source) {
  if (!S_ISREG(source.st.st_mode)) return nullptr;
  auto open = [&] {
    return archive::decompress_import(std::make_unique<io::FdSource>(tree.open_file(entry_of(source)), source.path));
  };
  std::array<std::byte, archive::kTarHeadSize> head;
  std::size_t size = 0;
  try {
    size = io::read_full(*open(), head);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Corrupt) throw;
    return nullptr;  // begins like a compressed file, but is none
  }
  return archive::looks_like_tar(std::span(head).first(size)) ? open() : nullptr;
}

void unpack_archive(io::Source& tar, const SourceTree& tree, const Source& source, CopyFiles& files, Session& session,
                    bool changed) {
  While unpacking{[&] { return fmt::format("unpacking {}", escape_control(source.path)); }};
  archive::ApplyOptions options;
  options.mode = session.plan().mode;
  options.whiteouts = archive::WhiteoutStyle::Plain;
  if (!changed) {
    os::Dir folder(files.destination_folder(), source.path);
    archive::apply_layer(tar, folder, options);
    return tree.check(source.fd.get(), source.path);
  }
  os::Path path = session.scratch_dir("unpack");
  archive::apply_layer(tar, os::Dir::open(path), options);
  tree.check(source.fd.get(), source.path);
  SourceTree unpacked(os::Dir::open(path), IgnoreRules(), "the archive");
  for (const Source& root : unpacked.select(".")) files.copy(unpacked, root);
}

}  // namespace proa::build
