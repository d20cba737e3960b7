#include "tools/build/output/export.h"

#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "tools/build/sources/helper.h"
#include "tools/build/steps/copy_files.h"

namespace proa::build {
namespace {

using Kind = OutputSpec::Kind;

// At a path that the user named: written new beside it, then renamed.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), fresh_(path + ".new"), fd_(open_new(fresh_)) {}
  int fd() const { return fd_.get(); }
  void keep() {
    if (::rename(fresh_.c_str(), path_.c_str()) != 0) throw system_error("write " + path_);
  }

 private:
  static os::UniqueFd open_new(const std::string& path) {
    ::unlink(path.c_str());
    return os::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  }
  std::string path_, fresh_;
  os::UniqueFd fd_;
};

void write_tar(const os::Dir& root, os::UniqueFd to, const std::string& name) {
  io::FdSink sink(std::move(to), name);
  archive::MakeOptions options;
  options.whiteouts = archive::WhiteoutStyle::Plain;
  archive::make_layer(root, sink, options);
}

std::string target_of(const OutputSpec& output) {
  std::string name = output.names.empty() ? "" : ":" + output.names[0];
  if (output.kind == Kind::Docker) return "docker-archive:" + output.destination + name;
  return (output.unpacked ? "oci:" : "oci-archive:") + output.destination + name;
}

}  // namespace

void export_files(Session& session, const Snapshot& snapshot, const OutputSpec& output) {
  While exporting{[&] { return fmt::format("exporting to {}", escape_control(output.destination)); }};
  os::Dir root(session.mount_read_only(snapshot), "the result");
  if (output.kind == Kind::Tar) {
    if (output.destination == "-") return write_tar(root, os::UniqueFd(::dup(STDOUT_FILENO)), "stdout");
    NewFile file(output.destination);
    write_tar(root, os::UniqueFd(::dup(file.fd())), output.destination);
    return file.keep();
  }
  os::make_dirs(output.destination, 0755);
  os::Dir folder = os::Dir::open(output.destination);
  SourceTree tree(std::move(root), IgnoreRules(), "the result");
  // Owners inside mean nothing outside: everything is the user's.
  CopyRequest copy{"/", true, Owner(session.plan().mode, Ownership{}), std::nullopt, {}};
  for (const Source& source : tree.select(".")) CopyFiles(folder, copy).copy(tree, source);
}

void export_to(const store::StoredImage& image, const std::string& place, const std::vector<std::string>& flags) {
  std::vector<std::string> words = {"copy", "--quiet"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"--", "storage:@" + std::string(image.id.hex()), place});
  std::string failure = fmt::format("{} could not be written", escape_control(place));
  auto parts = cut(place, ":");
  std::string_view path = parts ? parts->second : std::string_view();
  // An archive to stdout needs ours.
  if (path != "-" && !path.starts_with("-:")) return run_copy_program(std::move(words), failure);
  os::SpawnPlan plan;
  plan.program = copy_program();
  plan.arguments = std::move(words);
  require_success(os::spawn(plan).wait(), failure);
}

void export_image(const store::StoredImage& image, const OutputSpec& output, const std::vector<std::string>& flags) {
  std::vector<std::string> common = flags;
  if (!output.compression.empty() && output.compression != "uncompressed") {
    common.insert(common.end(), {"--dest-compress-format", output.compression});
    if (!output.compression_level.empty())
      common.insert(common.end(), {"--dest-compress-level", output.compression_level});
  }
  if (!output.destination.empty()) return export_to(image, target_of(output), common);
  if (!output.push) return;
  if (output.names.empty()) {
    throw Error(ErrorCode::InvalidArgument, "there is no name to push to", "give one with --tag");
  }
  for (const std::string& name : output.names) export_to(image, "docker://" + name, common);
}

Snapshot squash_layers(Session& session, const Snapshot& snapshot, std::size_t kept) {
  if (snapshot.layers.size() <= kept + 1) return snapshot;
  Snapshot base = snapshot;
  base.layers.resize(kept, snapshot.layers[0]);
  base.config.diff_ids.erase(base.config.diff_ids.begin() + static_cast<std::ptrdiff_t>(kept),
                             base.config.diff_ids.end());
  auto chains = oci::chain_ids(base.config.diff_ids, [](std::string_view text) { return io::digest_of(text); });
  base.top = chains.empty() ? std::nullopt : std::optional(chains.back());
  std::size_t layer = 0;
  for (oci::History& entry : base.config.history) {
    if (!entry.empty_layer && layer++ >= kept) entry.empty_layer = true;
  }
  // Through an overlay over the base: what the layers remove of it becomes whiteouts again.
  WorkRoot root = session.open_root(base);
  os::Dir dir = root.dir();
  archive::ApplyOptions options;
  options.mode = session.plan().mode;
  options.whiteouts = archive::WhiteoutStyle::Merge;
  for (std::size_t i = kept; i < snapshot.layers.size(); ++i) {
    std::unique_ptr<io::Source> tar = session.open_layer(snapshot.layers[i].digest);
    archive::apply_layer(*tar, dir, options);
  }
  oci::History history;
  history.created = session.times().created();
  history.created_by.assign("squashed layers");
  std::string key = "squash-" + std::to_string(kept) + "-" + snapshot.top->str();
  return session.commit_step(std::string(io::digest_of(key).hex()), base, std::move(root), std::move(history));
}

}  // namespace proa::build
