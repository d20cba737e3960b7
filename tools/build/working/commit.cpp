#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/store/lease.h"
#include "tools/build/containerfile/stages.h"
#include "tools/build/output/export.h"
#include "tools/build/steps/layer_commit.h"
#include "tools/build/steps/metadata.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

struct CommitOptions : PlaceOptions {
  std::vector<std::string> positionals, annotations, unset_env, unset_annotations, changes, registry_flags;
  std::optional<std::string> format, iidfile, timestamp, source_date_epoch;
  std::string moot_value;
  bool remove = false, quiet = false, squash = false, omit_history = false, moot = false;
};

Timestamps times_of(const CommitOptions& options) {
  Timestamps times;
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  std::string text = options.timestamp.value_or(options.source_date_epoch.value_or(epoch != nullptr ? epoch : ""));
  if (text.empty()) return times;
  auto seconds = parse_integer<std::int64_t>(text);
  if (!seconds || *seconds < 0)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("a timestamp is a number of seconds, not '{}'", escape_control(text)));
  times.fixed = Time(std::chrono::seconds(*seconds));
  return times;
}

// "--change INSTRUCTION": those that change nothing but the configuration.
void apply_changes(const std::vector<std::string>& changes, oci::ImageConfig& config) {
  BuildArgs no_args{Variables()};
  Variables none;
  StageState state{config, Scope(no_args, none, none, '\\')};
  for (const std::string& change : changes) {
    While applying{[&] { return "--change " + escape_control(change); }};
    if (!apply_metadata(parse_instruction(parse_line(change)), state))
      throw Error(ErrorCode::InvalidArgument, "only instructions that change the configuration can be given");
  }
  config = std::move(state.config);
}

Snapshot make_snapshot(WorkSession& work, const CommitOptions& options) {
  const WorkingContainer& container = work.container();
  Session& session = work.session();
  Snapshot base = work.base();
  std::vector<oci::History> done = container.history;
  std::size_t kept = options.squash ? 0 : base.layers.size();
  base.config.history.insert(base.config.history.end(), done.begin(), done.end());
  oci::History entry;
  entry.created_by.assign("/bin/sh");
  Snapshot result = base;
  session.enter();
  if (is_empty_dir(work.containers().upper(container))) {
    entry.created = session.times().created();
    entry.empty_layer = true;
    result.config.history.push_back(std::move(entry));
    result.config.created = session.times().created();
  } else {
    result = session.commit_copy(base, work.containers().upper(container), std::move(entry));
  }
  if (options.squash) result = squash_layers(session, result, kept);
  apply_changes(options.changes, result.config);
  for (const std::string& key : options.unset_env) {
    std::erase_if(result.config.env, [&](const std::string& one) { return one.starts_with(key + "="); });
  }
  return result;
}

ImageSettings settings_of(const WorkingContainer& container, const CommitOptions& options) {
  ImageSettings settings;
  std::string format = options.format.value_or(container.format);
  if (format != "oci" && format != "docker")
    throw Error(ErrorCode::InvalidArgument, fmt::format("--format is oci or docker, not '{}'", escape_control(format)));
  settings.docker_format = format == "docker";
  settings.omit_history = options.omit_history;
  if (!settings.docker_format) settings.annotations = container.annotations;
  for (const std::string& text : options.annotations) {
    auto pair = cut(text, "=");
    if (!pair)
      throw Error(ErrorCode::InvalidArgument, fmt::format("--annotation {}: must be KEY=VALUE", escape_control(text)));
    settings.annotations[std::string(pair->first)] = pair->second;
  }
  for (const std::string& key : options.unset_annotations) settings.annotations.erase(key);
  return settings;
}

bool names_place(const std::string& image) {
  static const std::vector<std::string> kPlaces = {
      "docker://", "oci:", "oci-archive:", "docker-archive:", "dir:", "docker-daemon:"};
  return std::any_of(kPlaces.begin(), kPlaces.end(), [&](const std::string& one) { return image.starts_with(one); });
}

cli::ExitCode commit(cli::Context&, const CommitOptions& options) {
  WorkSession work(options, times_of(options));
  work.open(options.positionals[0]);
  std::string name = options.positionals.size() > 1 ? options.positionals[1] : "";
  if (name.starts_with("containers-storage:")) name.erase(0, name.find(':') + 1);
  ImageSettings settings = settings_of(work.container(), options);
  if (!name.empty() && !names_place(name))
    settings.names.push_back(oci::Reference::parse_normalized(name).with_default_tag());
  settings.kept = !names_place(name);
  Snapshot snapshot = make_snapshot(work, options);
  store::StoredImage image = work.session().put_image(snapshot, settings);
  if (names_place(name)) export_to(image, name, options.registry_flags);
  work.session().drop(image, settings);
  if (options.iidfile) {
    os::UniqueFd file = os::open(*options.iidfile, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    os::write_all(file.get(), image.id.str(), *options.iidfile);
  }
  if (options.remove) {
    work.containers().remove(work.container());
    store::remove_use(work.session().store(), "working-" + work.container().id);
  }
  fmt::print("{}\n", image.id.hex());
  return 0;
}

}  // namespace

cli::Command commit_command() {
  using O = CommitOptions;
  auto builder = cli::command<O>("commit", "Make an image of a working container");
  builder.positionals("CONTAINER [IMAGE]", &O::positionals, 1, 2)
      .value("format,f", &O::format, "Format of the image: oci or docker", "FORMAT")
      .value("annotation", &O::annotations, "Annotation of the manifest", "KEY=VALUE")
      .value("unsetenv", &O::unset_env, "Take a variable out of the image", "KEY")
      .value("unsetannotation", &O::unset_annotations, "Take an annotation out of the image", "KEY")
      .value("change,c", &O::changes, "Apply an instruction to the configuration", "INSTRUCTION")
      .value("iidfile", &O::iidfile, "Write the image's id to a file", "PATH", cli::Complete::File)
      .value("timestamp", &O::timestamp, "Seconds since 1970 for the image", "SECONDS")
      .value("source-date-epoch", &O::source_date_epoch, "Seconds since 1970 for the image", "SECONDS")
      .flag("squash", &O::squash, "One layer for everything")
      .flag("omit-history", &O::omit_history, "Leave the history out")
      .flag("rm", &O::remove, "Remove the working container afterwards")
      .flag("quiet,q", &O::quiet, "Say nothing but the id")
      .with(declare_places<O>);
  for (const char* flag : {"disable-compression,D", "identity-label", "created-annotation", "rewrite-timestamp"}) {
    builder.flag(flag, &O::moot, "Accepted for compatibility").hide_last();
  }
  builder.custom(
      "creds", [](O& o, const std::string& text) { o.registry_flags.push_back("--dest-creds=" + text); },
      "Credentials for the registry", "USER[:PASSWORD]");
  builder.custom(
      "authfile", [](O& o, const std::string& text) { o.registry_flags.push_back("--authfile=" + text); },
      "Path of the file with credentials", "FILE");
  builder.custom(
      "tls-verify", [](O& o, const std::string& text) { o.registry_flags.push_back("--dest-tls-verify=" + text); },
      "Require HTTPS and verify certificates", "");
  return builder.runs(commit);
}

}  // namespace proa::build
