#include "tools/build/commands/build.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "tools/build/builder.h"
#include "tools/build/commands/build_input.h"
#include "tools/build/commands/build_options.h"

namespace proa::build {
namespace {

[[noreturn]] void fail(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

Timestamps choose_timestamps(const BuildOptions& options) {
  Timestamps times;
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  std::string text = options.timestamp.value_or(options.source_date_epoch.value_or(epoch != nullptr ? epoch : ""));
  if (text.empty()) return times;
  auto seconds = parse_integer<std::int64_t>(text);
  constexpr std::int64_t kLatest = 9'000'000'000;  // what nanoseconds in 64 bits can hold
  if (!seconds || *seconds < 0 || *seconds > kLatest)
    fail(fmt::format("a timestamp is a number of seconds since 1970, not '{}'", escape_control(text)));
  times.fixed = Time(std::chrono::seconds(*seconds));
  times.set_all = options.timestamp.has_value();
  return times;
}

Progress::Mode choose_progress(const BuildOptions& options) {
  if (options.progress != "auto" && options.progress != "plain" && options.progress != "tty" &&
      options.progress != "quiet") {
    fail(fmt::format("--progress is auto, plain, tty or quiet, not '{}'", escape_control(options.progress)));
  }
  return options.quiet || options.progress == "quiet" ? Progress::Mode::Quiet : Progress::Mode::Plain;
}

// Written new: a link or file that is there is never followed into.
void write_id_file(const std::string& path, const std::string& id) {
  auto st = os::try_stat(path);
  if (st && !S_ISREG(st->st_mode))
    fail(fmt::format("--iidfile {}: there is something that is no file", escape_control(path)));
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  os::UniqueFd fd = os::open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  os::write_all(fd.get(), id, fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) throw system_error("write " + path);
}

cli::ExitCode build(cli::Context&, const BuildOptions& options) {
  ::umask(022);  // modes of what a build makes do not depend on the caller
  refuse_unsupported(options);
  Progress progress(choose_progress(options));
  ImageSettings image = image_settings(options);
  BuildInput input = read_input(options);
  BuildRequest request = build_request(options, input);

  config::Paths paths = config::find_paths({options.root, options.runroot});
  paths.make();
  paths.export_to_environment();
  Session session(store::Store::open(paths.data, store::Store::Create::Yes), choose_timestamps(options),
                  !options.no_cache);
  Builder builder(session, progress, request, input.context ? &*input.context : nullptr);
  Snapshot snapshot = builder.build();
  for (const oci::Reference& name : image.names) progress.line("COMMIT " + name.familiar());
  store::StoredImage stored = session.put_image(snapshot, image);
  if (options.iidfile) write_id_file(*options.iidfile, stored.id.str());
  fmt::print("{}\n", options.quiet ? stored.id.str() : stored.id.hex());
  return 0;
}

}  // namespace

cli::Command build_command() {
  return cli::command<BuildOptions>("build", "Build an image from a Containerfile")
      .alias("bud")
      .with(declare_build_options)
      .runs(build);
}

}  // namespace proa::build
