// commit: an image of what a container changed. The store is the other program's; it gets the layer as a tar stream.
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "libcommon/archive/layer_make.h"
#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/process.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/lifecycle.h"
#include "tools/run/engine/root_view.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;

struct CommitOptions {
  std::vector<std::string> words, changes;  // CONTAINER [NAME]
  std::string author, message, iidfile, format = "oci", config;
  bool pause = true, quiet = false, squash = false, include_volumes = false;
};

// Variables that a run sets for itself, or takes from its caller.
bool belongs_to_run(const engine::ContainerRecord& record, const std::string& entry) {
  static constexpr std::array kNames = {"HOSTNAME",    "HOME",      "TERM",      "container",  "http_proxy",
                                        "https_proxy", "ftp_proxy", "no_proxy",  "HTTP_PROXY", "HTTPS_PROXY",
                                        "FTP_PROXY",   "NO_PROXY",  "all_proxy", "ALL_PROXY"};
  const std::string name = entry.substr(0, entry.find('='));
  for (const auto& secret : record.secrets) {
    if (secret.variable && secret.target == name) return true;
  }
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// As an image's config has it.
Json config_of(const engine::Container& container, const engine::ContainerRecord& record) {
  Json env = Json::array(), ports = Json::object();
  const auto spec = engine::read_spec(container);
  for (const auto& entry : spec && spec->process ? spec->process->env : std::vector<std::string>()) {
    if (!belongs_to_run(record, entry)) env.push_back(entry);
  }
  for (const auto& port : record.exposed) ports[port] = Json::object();
  return {{"Env", env},
          {"Cmd", record.command},
          {"Entrypoint", record.entrypoint},
          {"WorkingDir", spec && spec->process ? spec->process->cwd : "/"},
          {"User", record.user},
          {"ExposedPorts", ports},
          {"Labels", record.labels},
          {"StopSignal", record.stop_signal == "SIGTERM" ? "" : record.stop_signal}};
}

os::SpawnPlan store_commit(const CommitOptions& options, const engine::Container& container,
                           const engine::ContainerRecord& record, int input) {
  os::SpawnPlan plan;
  plan.program = engine::sibling_program("proa-copy");
  plan.arguments = {"store-commit", "--base=" + record.image_id, "--config=" + json_text(config_of(container, record)),
                    "--author=" + options.author, "--message=" + options.message};
  std::vector<std::string> command = record.entrypoint;
  command.insert(command.end(), record.command.begin(), record.command.end());
  plan.arguments.push_back("--command=" + join(command, " "));
  for (const auto& change : options.changes) plan.arguments.push_back("--change=" + change);
  if (options.format == "docker") plan.arguments.emplace_back("--docker");
  if (!options.iidfile.empty()) plan.arguments.push_back("--iidfile=" + options.iidfile);
  plan.arguments.emplace_back("--");
  if (options.words.size() > 1) plan.arguments.push_back(options.words[1]);
  plan.descriptors = {{input, STDIN_FILENO}};
  return plan;
}

void refuse_what_is_missing(const CommitOptions& options) {
  if (options.format != "oci" && options.format != "docker") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--format={}: unknown", options.format), "use oci or docker");
  }
  if (options.squash) not_supported("squash", "`proa export` and `proa import` make an image of one layer");
  if (options.include_volumes) not_supported("include-volumes", "copy the files into the container first");
  if (!options.config.empty()) not_supported("config", "use --change");
}

int commit(cli::Context&, const CommitOptions& options) {
  refuse_what_is_missing(options);
  const auto containers = open_containers();
  const auto container = containers.get(options.words[0]);
  const auto snapshot = engine::look_at(container);
  const bool frozen = options.pause && snapshot.status == engine::Status::Running && !snapshot.state->cgroup.empty();
  if (frozen) engine::pause(container, true);
  const Defer thaw([&] {
    if (frozen) engine::pause(container, false);
  });
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error("pipe2");
  os::UniqueFd reading(ends[0]), writing(ends[1]);
  auto store = os::spawn(store_commit(options, container, snapshot.record, reading.get()));
  reading.reset();
  ::signal(SIGPIPE, SIG_IGN);
  const auto ids = engine::enter_for(containers, {});
  archive::MakeOptions layer;
  layer.whiteouts =
      ids.mode == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  try {
    io::FdSink sink(std::move(writing), "the image store");
    archive::make_layer(os::Dir::open(container.file("upper")), sink, layer);
  } catch (const Error& error) {
    // When the store refused it said why.
    if (error.error_number() != EPIPE) throw;
  }
  return store.wait().success() ? 0 : 125;
}

}  // namespace

cli::Command commit_command() {
  return cli::command<CommitOptions>("commit", "Make an image of a container's changes")
      .value("author,a", &CommitOptions::author, "Author of the image", "TEXT")
      .value("change,c", &CommitOptions::changes, "Instruction for the config: CMD, ENV, LABEL, ...", "INSTRUCTION")
      .value("config", &CommitOptions::config, "Not supported", "FILE")
      .hide_last()
      .value("format,f", &CommitOptions::format, "oci or docker", "FORMAT")
      .value("iidfile", &CommitOptions::iidfile, "Write the image's id to a file", "FILE", cli::Complete::File)
      .flag("include-volumes", &CommitOptions::include_volumes, "Not supported")
      .hide_last()
      .value("message,m", &CommitOptions::message, "Comment in the history", "TEXT")
      .flag("pause,p", &CommitOptions::pause, "Freeze the container meanwhile, where it has a cgroup (default true)")
      .flag("quiet,q", &CommitOptions::quiet, "No progress, of which there is none")
      .flag("squash,s", &CommitOptions::squash, "Not supported")
      .hide_last()
      .positionals("CONTAINER [IMAGE]", &CommitOptions::words, 1, 2, cli::Complete::Container)
      .runs(commit);
}

}  // namespace proa::commands
