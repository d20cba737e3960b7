#include "tools/build/commands/build.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "tools/build/builder.h"
#include "tools/build/check/check.h"
#include "tools/build/commands/build_input.h"
#include "tools/build/commands/build_options.h"
#include "tools/build/output/export.h"

namespace proa::build {
namespace {

using Kind = OutputSpec::Kind;

// Written new: a link or file that is there is never followed into.
void write_new_file(const std::string& path, std::string_view text, const char* flag) {
  auto st = os::try_stat(path);
  if (st && !S_ISREG(st->st_mode)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} {}: there is something that is no file", flag, escape_control(path)));
  }
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  os::UniqueFd fd = os::open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  os::write_all(fd.get(), text, fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) throw system_error("write " + path);
}

void write_metadata(const std::string& path, const store::StoredImage& image, const ImageSettings& settings) {
  nlohmann::ordered_json descriptor = {
      {"mediaType", image.manifest.media_type}, {"digest", image.manifest.digest.str()}, {"size", image.manifest.size}};
  nlohmann::ordered_json json = {{"containerimage.config.digest", image.id.str()},
                                 {"containerimage.descriptor", descriptor},
                                 {"containerimage.digest", image.manifest.digest.str()}};
  std::vector<std::string> names;
  for (const oci::Reference& name : settings.names) names.push_back(name.str());
  if (!names.empty()) json["image.name"] = join(names, ",");
  write_new_file(path, json_text(json, 2) + "\n", "--metadata-file");
}

bool wants_image(const OutputSpec& output) { return output.kind != Kind::Local && output.kind != Kind::Tar; }

bool names_image(const OutputSpec& output) { return output.kind == Kind::Image && output.destination.empty(); }

void add_names(const std::vector<OutputSpec>& outputs, ImageSettings& image) {
  bool named = false;
  for (const OutputSpec& output : outputs) {
    if (!names_image(output)) continue;
    named = true;
    for (const std::string& text : output.names) {
      oci::Reference name = oci::Reference::parse_normalized(text).with_default_tag();
      bool known = false;
      for (const oci::Reference& there : image.names) known = known || there.str() == name.str();
      if (!known) image.names.push_back(std::move(name));
    }
    for (const auto& [key, value] : output.annotations) image.annotations[key] = value;
  }
  // What only leaves the machine gets no name here.
  if (!named) image.names.clear();
  image.kept = named;
}

std::vector<std::string> copy_flags(const BuildOptions& options) {
  std::vector<std::string> flags;
  for (const std::string& flag : options.registry_flags) {
    flags.push_back(flag.starts_with("--authfile") ? flag : "--dest-" + flag.substr(2));
  }
  return flags;
}

struct Built {
  std::optional<store::StoredImage> image;
  bool stdout_used = false;
};

Built put_results(const BuildOptions& options, Session& session, Progress& progress, const Snapshot& snapshot) {
  Built built;
  std::vector<OutputSpec> outputs = outputs_of(options);
  ImageSettings image = image_settings(options);
  add_names(outputs, image);
  bool wanted = options.iidfile || options.metadata_file;
  for (const OutputSpec& output : outputs) wanted = wanted || wants_image(output);
  if (wanted) {
    for (const oci::Reference& name : image.names) progress.line("COMMIT " + name.familiar());
    built.image = session.put_image(snapshot, image);
  }
  session.flush();
  progress.finish();
  for (const OutputSpec& output : outputs) {
    built.stdout_used = built.stdout_used || output.destination == "-";
    if (wants_image(output)) {
      export_image(*built.image, output, copy_flags(options));
    } else {
      export_files(session, snapshot, output);
    }
  }
  if (built.image) session.drop(*built.image, image);
  if (options.iidfile) write_new_file(*options.iidfile, built.image->id.str(), "--iidfile");
  if (options.metadata_file) write_metadata(*options.metadata_file, *built.image, image);
  return built;
}

void redirect_log(const std::string& path) {
  os::UniqueFd file = os::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644);
  if (::dup2(file.get(), STDERR_FILENO) < 0) throw system_error("write to " + path);
}

cli::ExitCode build(cli::Context&, const BuildOptions& options) {
  ::umask(022);  // modes of what a build makes do not depend on the caller
  refuse_unsupported(options);
  outputs_of(options);
  image_settings(options);
  if (options.logfile) redirect_log(*options.logfile);
  Progress progress(make_progress_view(options.quiet ? "quiet" : options.progress));
  config::Paths paths = config::find_paths({options.root, options.runroot});
  paths.make();
  paths.export_to_environment();
  Session session(store::Store::open(paths.data, store::Store::Create::Yes), timestamps_of(options), !options.no_cache);
  Secrets secrets;
  for (const std::string& secret : options.secrets) secrets.add_secret(secret);
  for (const std::string& agent : options.agents) secrets.add_agent(agent);
  BuildInput input = read_input(options, session, secrets);
  BuildRequest request = build_request(options, input);
  request.secrets = std::move(secrets);
  SourceTree* context = input.context ? &*input.context : nullptr;
  CheckReport report = check_containerfile(request.text, check_options(request, session, context));
  if (options.check || options.call == "check") return print_check(report, request.file_name);
  warn_of(report, request.file_name);

  Builder builder(session, progress, request, context);
  FinishedStage result = builder.build();
  if (options.squash || !options.layers.value_or(true)) {
    result.snapshot = squash_layers(session, result.snapshot, result.base_layers);
  }
  Built built = put_results(options, session, progress, result.snapshot);
  if (built.image && !built.stdout_used)
    fmt::print("{}\n", options.quiet ? built.image->id.str() : built.image->id.hex());
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
