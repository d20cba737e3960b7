#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/store/lease.h"
#include "tools/build/base_image.h"
#include "tools/build/commands/common_flags.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

struct FromOptions : PlaceOptions {
  std::vector<std::string> positionals;
  std::string name, pull = "missing", format = "oci", moot_value;
  std::optional<std::string> cidfile;
  bool quiet = false, moot = false;
};

cli::ExitCode from(cli::Context&, const FromOptions& options) {
  if (options.format != "oci" && options.format != "docker")
    throw Error(ErrorCode::InvalidArgument, fmt::format("--format is oci or docker, not '{}'", options.format));
  WorkSession work(options);
  WorkingContainer container;
  container.created = format_rfc3339(now());
  container.format = options.format;
  container.config.platform = oci::Platform::host();
  const std::string& image = options.positionals[0];
  std::optional<store::StoredImage> stored;
  if (image != "scratch") {
    load_base_image(work.session(), image, parse_pull_policy(options.pull));
    stored = work.session().store().get(image);
    container.config = work.session().store().config(*stored);
    container.image = image;
    container.image_id = stored->id.hex();
  }
  container = work.containers().create(std::move(container), options.name);
  if (stored) store::add_use(work.session().store(), "working-" + container.id, *stored);
  if (options.cidfile) {
    os::UniqueFd file = os::open(*options.cidfile, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    os::write_all(file.get(), container.id, *options.cidfile);
  }
  fmt::print("{}\n", container.name);
  return 0;
}

}  // namespace

cli::Command from_command() {
  using O = FromOptions;
  auto builder = cli::command<O>("from", "Make a working container from an image");
  builder.positionals("IMAGE", &O::positionals, 1, 1, cli::Complete::Image)
      .value("name", &O::name, "Name of the working container", "NAME")
      .value("pull", &O::pull, "When to fetch the image: missing, always or never", "POLICY")
      .implicit("always")
      .value("format,f", &O::format, "Format of the image to come: oci or docker", "FORMAT")
      .value("cidfile", &O::cidfile, "Write the container's id to a file", "PATH", cli::Complete::File)
      .flag("quiet,q", &O::quiet, "Say nothing while an image is fetched")
      .with(declare_places<O>);
  for (const char* name : {"isolation", "retry", "retry-delay", "platform", "arch", "os", "variant"}) {
    builder.value(name, &O::moot_value, "Accepted for compatibility", "VALUE").hide_last();
  }
  return builder.runs(from);
}

}  // namespace proa::build
