#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/lists.h"
#include "libcommon/store/writer.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct RmiOptions {
  std::vector<std::string> names;
  bool all = false;
  bool force = false;
  bool ignore = false;
  bool no_prune = false;
  std::string platform;
};

// podman's codes: 1 an image is not there, 2 an image is in use.
constexpr cli::ExitCode kNotFound = 1;
constexpr cli::ExitCode kInUse = 2;

class Remover {
 public:
  Remover(const store::Store& store, const RmiOptions& options) : store_(store), options_(options) {}

  void remove(const std::string& text) {
    const auto image = store_.find(text);
    if (!image && remove_list(text)) return;
    if (!image) {
      if (!options_.ignore) image_not_known(text);
      return;
    }
    require_platform(*image, text, options_.platform);
    // By one of several names: only that name goes.
    const auto name = name_among(*image, text);
    if (name && image->names.size() > 1) {
      store::untag(store_, *name);
      fmt::print("Untagged: {}\n", name->familiar());
      return;
    }
    if (!name && image->names.size() > 1 && !options_.force) {
      throw Error(ErrorCode::InUse,
                  fmt::format("unable to delete image \"{}\" by ID with more than one tag", image->id.hex()),
                  "add --force, or remove it by its names");
    }
    remove_whole(*image);
  }

  void remove_whole(const store::StoredImage& image) {
    store::remove_image(store_, image, options_.force);
    for (const auto& gone : image.names) fmt::print("Untagged: {}\n", familiar(gone));
    fmt::print("Deleted: {}\n", image.id.str());
  }

 private:
  // A list of images (`manifest create`) has a name beside those of the images.
  bool remove_list(const std::string& text) {
    try {
      const auto name = oci::Reference::parse_normalized(text).with_default_tag();
      if (name.digest() || !store::remove_list(store_, name)) return false;
      fmt::print("Untagged: {}\n", name.familiar());
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::InvalidArgument) throw;
      return false;  // it is an id then
    }
  }

  static std::optional<oci::Reference> name_among(const store::StoredImage& image, const std::string& text) {
    try {
      const auto reference = oci::Reference::parse_normalized(text).with_default_tag();
      if (std::find(image.names.begin(), image.names.end(), reference.str()) != image.names.end()) return reference;
    } catch (const Error&) {
      // It is an id then.
    }
    return std::nullopt;
  }

  const store::Store& store_;
  const RmiOptions& options_;
};

// One that cannot go does not keep the others.
class Failures {
 public:
  template <typename Action>
  void attempt(Action action) {
    try {
      action();
    } catch (const Error& error) {
      cli::report(error);
      const cli::ExitCode code = error.code() == ErrorCode::NotFound ? kNotFound
                                 : error.code() == ErrorCode::InUse  ? kInUse
                                                                     : 125;
      code_ = std::max(code_, code);
    }
  }
  cli::ExitCode code() const { return code_; }

 private:
  cli::ExitCode code_ = 0;
};

cli::ExitCode rmi(cli::Context&, const RmiOptions& options) {
  if (options.names.empty() && !options.all)
    throw Error(ErrorCode::InvalidArgument, "image name or ID must be specified");
  if (!options.names.empty() && options.all)
    throw Error(ErrorCode::InvalidArgument, "when using the --all switch, you may not pass any images names or IDs");
  LocalStore local(LocalStore::Access::Layers);
  const auto& store = local.store();
  Remover remover(store, options);
  Failures failures;
  for (const auto& name : options.names) failures.attempt([&] { remover.remove(name); });
  if (options.all) {
    for (const auto& image : store.list()) failures.attempt([&] { remover.remove_whole(image); });
  }
  const auto report = store::collect(store);
  if (!report.blocked.empty())
    failures.attempt(
        [&] { throw Error(ErrorCode::Corrupt, report.blocked, "`proa system check --repair` mends the store"); });
  return failures.code();
}

}  // namespace

cli::Command rmi_command(std::string name) {
  auto result =
      cli::command<RmiOptions>(std::move(name), "Remove images")
          .flag("all,a", &RmiOptions::all, "Remove all images")
          .flag("force,f", &RmiOptions::force, "Remove all names, also of an image that containers use")
          .flag("ignore,i", &RmiOptions::ignore, "Images that do not exist are no failure")
          .flag("no-prune", &RmiOptions::no_prune, "Accepted for compatibility: parents are no images here")
          .value("platform", &RmiOptions::platform, "Fail unless the image is for this platform", "OS/ARCH[/VARIANT]")
          .positionals("[IMAGE...]", &RmiOptions::names, 0, cli::kAnyNumber, cli::Complete::Image)
          .runs(rmi);
  if (result.name == "rm") result.aliases = {"remove"};
  return result;
}

}  // namespace proa::copy
