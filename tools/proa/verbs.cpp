#include "tools/proa/verbs.h"

#include <algorithm>

namespace proa::front {
namespace {

constexpr std::string_view kRun = "proa-run";
constexpr std::string_view kBuild = "proa-build";
constexpr std::string_view kCopy = "proa-copy";

const Verb* find(std::string_view name) {
  for (const auto& verb : verbs()) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

// Global flags with a value in the next word: ours, and those of docker and podman that scripts put before the verb.
bool takes_next_word(std::string_view flag) {
  static constexpr std::string_view flags[] = {"--log-level", "-l", "--root", "--runroot"};
  return std::find(std::begin(flags), std::end(flags), flag) != std::end(flags);
}

// A group whose verbs belong to several tools: {group, verb inside} -> {tool, words that replace both}.
struct GroupVerb {
  std::string_view group, verb, tool;
  std::vector<std::string> words;
};

const std::vector<GroupVerb>& group_verbs() {
  static const std::vector<GroupVerb> table = {
      {"image", "build", kBuild, {"build"}},
      {"buildx", "build", kBuild, {"build"}},
      {"buildx", "b", kBuild, {"build"}},
      {"buildx", "version", kRun, {"version"}},
      {"builder", "build", kBuild, {"build"}},
      {"builder", "prune", kBuild, {"cache", "prune"}},
      {"buildx", "prune", kBuild, {"cache", "prune"}},
  };
  return table;
}

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table = {
      {"attach", kRun, "Attach to a running container"},
      {"build", kBuild, "Build an image from a Containerfile"},
      {"container", kRun, "Manage containers"},
      {"commit", kRun, "Make an image of a container's changes"},
      {"copy", kCopy, "Copy an image between registries, archives, directories and the store"},
      {"cp", kRun, "Copy files into a container or out of it"},
      {"create", kRun, "Create a container without starting it"},
      {"delete", kCopy, "Delete an image from a registry or layout"},
      {"diff", kRun, "List what changed in the files of a container"},
      {"events", kRun, "Show what happens to containers and volumes"},
      {"exec", kRun, "Run a command in a running container"},
      {"export", kRun, "Write the files of a container as a tar archive"},
      {"healthcheck", kRun, "Check the health of containers"},
      {"history", kCopy, "Show how an image was made"},
      {"image", kCopy, "Manage images"},
      {"images", kCopy, "List images"},
      {"import", kCopy, "Make an image from a root file-system archive"},
      {"info", kRun, "Show what this machine offers"},
      {"init", kRun, "Make ready for a start, which containers are when they were created"},
      {"inspect", kRun, "Show containers or images as JSON"},
      {"kill", kRun, "Send a signal to containers"},
      {"list-tags", kCopy, "List the tags of a repository"},
      {"load", kCopy, "Load images from an archive"},
      {"login", kCopy, "Log in to a registry"},
      {"logout", kCopy, "Log out of a registry"},
      {"logs", kRun, "Show the output of a container"},
      {"manifest", kCopy, "Put images of several platforms under one name"},
      {"network", kRun, "List networks; making them comes later"},
      {"oci", kRun, "Act as an OCI runtime"},
      {"mount", kRun, "Mount the files of containers, or list what is mounted"},
      {"pause", kRun, "Freeze the processes of containers"},
      {"port", kRun, "List published ports"},
      {"ps", kRun, "List containers"},
      {"pull", kCopy, "Pull images from a registry"},
      {"push", kCopy, "Push an image to a registry"},
      {"rename", kRun, "Rename a container"},
      {"restart", kRun, "Restart containers"},
      {"rm", kRun, "Remove containers"},
      {"rmi", kCopy, "Remove images"},
      {"run", kRun, "Run a command in a new container"},
      {"save", kCopy, "Save images to an archive"},
      {"search", kCopy, "Look for repositories in registries"},
      {"secret", kRun, "Manage secrets"},
      {"start", kRun, "Start containers"},
      {"stats", kRun, "Show what containers take of the machine"},
      {"stop", kRun, "Stop containers"},
      {"sync", kCopy, "Copy all images of repositories, folders or lists"},
      {"system", kRun, "Check, clean and measure what proa keeps"},
      {"tag", kCopy, "Add a name to an image"},
      {"top", kRun, "List the processes of a container"},
      {"unmount", kRun, "Undo mount"},
      {"unpause", kRun, "Thaw the processes of containers"},
      {"unshare", kRun, "Run a command in the user namespace of the containers"},
      {"untag", kCopy, "Remove a name from an image"},
      {"update", kRun, "Change limits and restart policy of containers"},
      {"version", kRun, "Show versions"},
      {"volume", kRun, "Manage volumes"},
      {"wait", kRun, "Wait until containers stop"},
      {"umount", kRun, ""},
      {"bud", kBuild, ""},
      {"generate-sigstore-key", kCopy, ""},
      {"manifest-digest", kCopy, ""},
      {"standalone-sign", kCopy, ""},
      {"standalone-verify", kCopy, ""},
  };
  return table;
}

std::size_t verb_index(const std::vector<std::string>& words) {
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) at += takes_next_word(words[at]) ? 2 : 1;
  return std::min(at, words.size());
}

std::optional<Route> route(const std::vector<std::string>& words) {
  std::size_t at = verb_index(words);
  if (at == words.size()) return std::nullopt;
  auto from = [&](std::size_t index) { return words.begin() + static_cast<std::ptrdiff_t>(index); };

  for (const auto& entry : group_verbs()) {
    if (entry.group != words[at] || at + 1 >= words.size() || entry.verb != words[at + 1]) continue;
    Route result{std::string(entry.tool), {words.begin(), from(at)}};
    result.arguments.insert(result.arguments.end(), entry.words.begin(), entry.words.end());
    result.arguments.insert(result.arguments.end(), from(at + 2), words.end());
    return result;
  }
  const Verb* verb = find(words[at]);
  if (verb == nullptr) return std::nullopt;
  return Route{std::string(verb->tool), words};
}

}  // namespace proa::front
