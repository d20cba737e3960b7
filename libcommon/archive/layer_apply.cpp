#include "libcommon/archive/layer_apply.h"

#include <exception>
#include <thread>

#include "libcommon/archive/layer_writer.h"
#include "libcommon/archive/tar_reader.h"
#include "libcommon/base/rethrow.h"
#include "libcommon/os/confine.h"

namespace proa::archive {

ApplyResult apply_layer(io::Source& tar, const os::Dir& root, const ApplyOptions& options) {
  LayerWriter writer(root, options);  // reads /proc, which the thread may not
  ApplyResult result;
  std::exception_ptr failure;
  std::thread worker([&] {
    try {
      os::confine_thread_to(root.fd());
      TarReader reader(tar);
      TarEntry entry;
      while (reader.next(entry)) writer.add(reader, entry);
      result = writer.finish();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  worker.join();
  if (failure) rethrow_here(failure);
  return result;
}

}  // namespace proa::archive
