#include "tools/copy/skopeo.h"

#include "libcommon/base/error.h"

namespace proa::copy {

cli::ExitCode with_skopeo_exit(const std::function<cli::ExitCode()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    cli::report(error);
    return error.code() == ErrorCode::NotFound ? 2 : 1;
  }
}

oci::Platform PlatformOverride::resolve() const {
  auto platform = oci::Platform::host();
  if (!arch.empty()) platform.architecture = arch;
  if (!arch.empty() || !variant.empty()) platform.variant = variant;
  if (!os.empty()) platform.os = os;
  return oci::normalize(platform);
}

}  // namespace proa::copy
