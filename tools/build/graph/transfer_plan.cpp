#include "tools/build/graph/transfer_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/digest.h"
#include "tools/build/containerfile/ignore.h"
#include "tools/build/refuse.h"
#include "tools/build/sources/http_fetch.h"

namespace proa::build {
namespace {

bool names_folder(const std::string& path) {
  return path.ends_with('/') || path == "." || path == ".." || path.ends_with("/.") || path.ends_with("/..");
}

void sort_source(TransferPlan& plan, std::string source) {
  if (source.empty()) fail("a source is empty");
  if (plan.add) {
    if (auto git = GitRef::try_parse(source); git && !git->like_local) {
      plan.repositories.push_back(std::move(*git));
      return;
    }
    if (is_http_url(source)) {
      plan.urls.push_back(std::move(source));
      return;
    }
  }
  plan.sources.push_back(std::move(source));
}

void check(const TransferPlan& plan) {
  std::size_t fetched = plan.urls.size() + plan.repositories.size();
  if (plan.sources.size() + plan.files.size() + fetched > 1 && !plan.into_folder) {
    fail("with more than one source, the destination must be a folder and end with a /");
  }
  if (!plan.checksum.empty()) {
    if (fetched != 1 || plan.sources.size() + plan.files.size() > 0) {
      fail("--checksum is for one source that is fetched by HTTP or git");
    }
    if (!plan.urls.empty()) oci::Digest::parse(plan.checksum);
  }
  plan.mode();
}

}  // namespace

std::optional<ModeChange> TransferPlan::mode() const {
  return chmod.empty() ? std::nullopt : std::optional(ModeChange::parse(chmod));
}

std::vector<std::string> TransferPlan::key_words() const {
  auto flag = [](std::string name, bool set) { return std::move(name) + (set ? "=yes" : "=no"); };
  std::vector<std::string> words = {destination,
                                    flag("folder", into_folder),
                                    flag("unpack", unpacks(false)),
                                    flag("unpack-fetched", unpacks(true)),
                                    flag("parents", parents),
                                    flag("git", keep_git_dir),
                                    chown,
                                    chmod};
  words.insert(words.end(), excludes.begin(), excludes.end());
  return words;
}

std::string TransferPlan::history(const Transfer& as_written) const {
  std::string text = add ? "ADD" : "COPY";
  if (!from.empty()) text += " --from=" + from;
  if (!chown.empty()) text += " --chown=" + chown;
  if (!chmod.empty()) text += " --chmod=" + chmod;
  if (link) text += " --link";
  for (const std::string& source : sources) text += " " + source;
  for (const std::string& url : urls) text += " " + without_credentials(url);
  for (const GitRef& ref : repositories) text += " " + without_credentials(ref.remote);
  for (const InlineFile& file : files) text += " <<" + file.name;
  return text + " " + as_written.destination;
}

TransferPlan plan_transfer(const Transfer& transfer, const StageState& state) {
  auto word = [&](std::string_view text) { return state.scope.expand_word(text, state.config.env); };
  TransferPlan plan;
  plan.add = transfer.add;
  plan.link = transfer.link;
  plan.parents = transfer.parents;
  plan.unpack = transfer.unpack;
  plan.keep_git_dir = transfer.keep_git_dir.value_or(false);
  plan.from = word(transfer.from);
  plan.chown = word(transfer.chown);
  plan.chmod = word(transfer.chmod);
  plan.checksum = word(transfer.checksum);
  for (const std::string& exclude : transfer.excludes) plan.excludes.push_back(word(exclude));
  for (const std::string& source : transfer.sources) sort_source(plan, word(source));
  for (InlineFile file : transfer.files) {
    if (file.expand) file.content = state.scope.expand_content(file.content, state.config.env);
    plan.files.push_back(std::move(file));
  }
  std::string destination = word(transfer.destination);
  if (destination.empty()) fail("the destination is empty");
  plan.into_folder = names_folder(destination) || plan.parents;
  plan.destination = join_workdir(state.config.working_dir, destination);
  check(plan);
  return plan;
}

std::size_t pivot_depth(const std::string& pattern) {
  std::size_t pivot = pattern.find("/./");
  if (pivot == std::string::npos) return 0;
  std::string before = clean_path("/" + pattern.substr(0, pivot));
  return before == "/" ? 0 : static_cast<std::size_t>(std::count(before.begin(), before.end(), '/'));
}

}  // namespace proa::build
