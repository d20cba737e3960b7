// RUN.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/stage_run.h"
#include "tools/build/steps/step_owner.h"

namespace proa::build {
namespace {

// A here-document alone is a script; with other words the shell of the step reads it.
Script script_of(const CommandLine& command, const oci::ImageConfig& config) {
  if (command.words.empty()) throw Error(ErrorCode::InvalidArgument, "RUN needs a command");
  if (command.files.empty()) return {command_of(command, config), "", ""};
  const std::string& line = command.words[0];
  std::vector<std::string> shell = shell_of(config);
  if (parse_heredoc_word(line)) {
    const Heredoc& file = command.files[0];
    std::string content = file.chomp ? chomp_heredoc(file.content) : file.content;
    if (content.starts_with("#!")) {
      std::string path = "/dev/pipes/" + replace_all(file.name, "/", "_");
      return {{path}, path, content};
    }
    shell.push_back(std::move(content));
    return {shell, "", ""};
  }
  std::string text = line;
  for (const Heredoc& file : command.files) text += "\n" + file.content + file.name;
  shell.push_back(std::move(text));
  return {shell, "", ""};
}

// apt changes to a user of its own for downloads and then looks whether that happened; with one id it cannot, so it is
// told not to. Everything else that changes ids is answered by the runtime's filter.
void prepare_single_id(StepMounts& mounts, std::vector<std::string>& env) {
  constexpr const char* kPath = "/dev/proa-apt.conf";
  for (const std::string& entry : env) {
    if (entry.starts_with("APT_CONFIG=")) return;
  }
  mounts.add_file(kPath, "APT::Sandbox::User \"root\";\n", 0644);
  env.push_back(std::string("APT_CONFIG=") + kPath);
}

NetworkChoice network_of(const Run& run) {
  if (run.network == "none") return NetworkChoice::None;
  if (run.network == "host") return NetworkChoice::Host;
  return NetworkChoice::Default;
}

std::string network_text(NetworkChoice choice) {
  return choice == NetworkChoice::None ? "none" : choice == NetworkChoice::Host ? "host" : "default";
}

}  // namespace

std::vector<std::string> StageRun::environment() const {
  std::vector<std::string> env = state_.config.env;
  for (const std::string& argument : state_.scope.arguments()) {
    std::string key = argument.substr(0, argument.find('=') + 1);
    bool set = false;
    for (const std::string& entry : env) set = set || entry.starts_with(key);
    if (!set) env.push_back(argument);
  }
  return env;
}

void StageRun::refuse_unsupported(const Run& run) const {
  if (!run.devices.empty()) throw Error(ErrorCode::Unsupported, "RUN --device is not supported");
  if (run.security == "insecure" && !builder_.request().allowed.contains("security.insecure")) {
    throw Error(ErrorCode::PermissionDenied, "RUN --security=insecure was not allowed",
                "allow it with --allow security.insecure");
  }
}

// Once for the cache key (which must not open roots of stages, nor see secrets), once for the step.
void StageRun::prepare_mounts(const Run& run, StepMounts* mounts, KeyBuilder* key) {
  for (const std::string& text : run.mounts) {
    MountRequest request = parse_mount(text, [&](std::string_view value) { return word(value); });
    if (key != nullptr)
      key->add("mount", text).add("target", request.target).add("source", request.source).add("id", request.id);
    bool bind = request.type == MountType::Bind;
    SourceTree* tree = nullptr;
    if (bind && request.from.empty()) {
      tree = &builder_.context();
    } else if (!request.from.empty()) {
      Origin origin = builder_.origin_of(planned_.index, request.from);
      if (origin.kind == Origin::Kind::Context && !builder_.is_image(origin)) {
        tree = &builder_.origin_tree(origin);
      } else {
        const Snapshot& from = builder_.origin_snapshot(origin);
        if (key != nullptr) key->add("from", from.top ? from.top->str() : "scratch");
        if (mounts != nullptr) tree = mounts->mount_tree(from, request.from);
      }
    }
    // What a cache begins with does not count: it is a cache.
    if (key != nullptr && tree != nullptr && bind) {
      for (const Source& source : tree->select(request.source)) key->add("content", tree->digest(source, {}));
    }
    if (mounts != nullptr) mounts->add(request, tree, state_.config.working_dir);
  }
}

StageRun::Work StageRun::command(const Run& run) {
  refuse_unsupported(run);
  Script script = script_of(run.command, state_.config);
  RunRequest request{.args = script.args,
                     .env = environment(),
                     .user = state_.config.user,
                     .cwd = state_.config.working_dir,
                     .network = network_of(run),
                     .insecure = run.security == "insecure"};
  const RunSettings& settings = builder_.request().run;
  KeyBuilder builder = key("run");
  builder.add("args", request.args)
      .add("script", script.content)
      .add("env", request.env)
      .add("user", request.user)
      .add("cwd", request.cwd);
  builder.add("network", network_text(request.network == NetworkChoice::Default ? settings.network : request.network));
  builder.add("caps", settings.cap_add).add("drop", settings.cap_drop);
  if (request.insecure) builder.add("security", "insecure");
  if (!settings.volumes.empty()) builder.add("volumes", settings.volumes);
  for (const auto& [name, address] : settings.hosts) builder.add("host " + name, address);
  prepare_mounts(run, nullptr, &builder);
  std::string step = builder.finish();
  oci::History entry = history("RUN " + join(request.args, " "));
  if (cached(step, entry)) return {};
  return [this, &run, request = std::move(request), script = std::move(script), step, entry] {
    commit(step, execute(run, request, script), entry);
  };
}

// Runs the command; all its mounts are gone when it returns.
WorkRoot StageRun::execute(const Run& run, RunRequest request, const Script& script) {
  session_.enter();
  StepMounts mounts(session_, builder_.request().secrets, builder_.baton());
  prepare_mounts(run, &mounts, nullptr);
  if (!script.path.empty()) mounts.add_file(script.path, script.content, 0755);
  if (session_.plan().mode == os::IdMode::Single) prepare_single_id(mounts, request.env);
  for (const std::string& proxy : state_.scope.proxies()) request.env.push_back(proxy);
  request.env.insert(request.env.end(), mounts.env().begin(), mounts.env().end());
  request.mounts = mounts.mounts();
  std::vector<std::pair<std::string, bool>> targets = mounts.targets();
  targets.insert(targets.end(),
                 {{"/proc", true}, {"/sys", true}, {"/dev", true}, {"/etc/hosts", false}, {"/etc/resolv.conf", false}});
  WorkRoot root = session_.open_root(snapshot(), make_stubs(session_, targets));
  RunContext context{session_, builder_.progress(), builder_.baton(), progress_, builder_.request().run};
  Ownership user = run_command(context, request, root);
  if (session_.plan().mode == os::IdMode::Single && (user.uid != 0 || user.gid != 0)) {
    root.mount.reset();  // files below a mounted overlay must not change
    os::UniqueFd below = session_.mount_read_only(snapshot());
    note_step_owner(root.upper, below.get(), user);
  }
  return root;
}

}  // namespace proa::build
