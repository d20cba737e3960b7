#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/store/writer.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct TagOptions {
  std::vector<std::string> names;
};

oci::Reference tag_name(const std::string& text) {
  const auto reference = oci::Reference::parse_normalized(text);
  if (reference.digest())
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: a name with a digest cannot be given", text));
  return reference.with_default_tag();
}

cli::ExitCode tag(cli::Context&, const TagOptions& options) {
  std::vector<oci::Reference> names;
  for (auto name = options.names.begin() + 1; name != options.names.end(); ++name) names.push_back(tag_name(*name));
  LocalStore store(LocalStore::Access::Names);
  const auto image = store.get(options.names.front());
  for (const auto& name : names) store::tag(store.store(), image, name);
  return 0;
}

cli::ExitCode untag(cli::Context&, const TagOptions& options) {
  LocalStore store(LocalStore::Access::Names);
  const auto image = store.get(options.names.front());
  std::vector<oci::Reference> names;
  for (auto name = options.names.begin() + 1; name != options.names.end(); ++name) names.push_back(tag_name(*name));
  if (names.empty()) {
    for (const auto& name : image.names) names.push_back(oci::Reference::parse_normalized(name));
  }
  for (const auto& name : names) {
    if (std::find(image.names.begin(), image.names.end(), name.str()) == image.names.end()) {
      throw Error(ErrorCode::NotFound, fmt::format("{}: tag not known", name.str()));
    }
    store::untag(store.store(), name);
  }
  return 0;
}

}  // namespace

cli::Command tag_command() {
  return cli::command<TagOptions>("tag", "Add a name to an image")
      .positionals("IMAGE NAME [NAME...]", &TagOptions::names, 2, cli::kAnyNumber, cli::Complete::Image)
      .runs(tag);
}

cli::Command untag_command() {
  return cli::command<TagOptions>("untag", "Remove a name from an image")
      .positionals("IMAGE [NAME...]", &TagOptions::names, 1, cli::kAnyNumber, cli::Complete::Image)
      .runs(untag);
}

}  // namespace proa::copy
