#include "libcommon/archive/layer_apply.h"

#include "libcommon/archive/layer_writer.h"
#include "libcommon/archive/tar_reader.h"

namespace proa::archive {

ApplyResult apply_layer(io::Source& tar, const os::Dir& root, const ApplyOptions& options) {
  TarReader reader(tar);
  LayerWriter writer(root, options);
  TarEntry entry;
  while (reader.next(entry)) writer.add(reader, entry);
  return writer.finish();
}

}  // namespace proa::archive
