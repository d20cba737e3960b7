#include "tools/proa/verbs.h"

#include <utility>

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

const char* absence(std::string_view verb) {
  static constexpr const char* kNoEngine = "it belongs to an engine that runs all the time, which proa is not";
  static constexpr const char* kNoPods = "pods and what is made of them are not supported yet";
  static constexpr const char* kNoMachine = "there is no machine and no remote to manage: proa works here, as you";
  static constexpr std::pair<std::string_view, const char*> table[] = {
      {"swarm", kNoEngine},
      {"service", kNoEngine},
      {"stack", kNoEngine},
      {"node", kNoEngine},
      {"config", kNoEngine},
      {"plugin", kNoEngine},
      {"context", kNoMachine},
      {"machine", kNoMachine},
      {"farm", kNoMachine},
      {"pod", kNoPods},
      {"kube", kNoPods},
      {"play", kNoPods},
      {"generate", kNoPods},
      {"quadlet", kNoPods},
      {"auto-update", "nothing starts containers by itself: `proa pull`, then `proa run --replace`"},
      {"buildx", "there is one builder, proa itself: `buildx build`, `prune` and `version` are its verbs"},
      {"builder", "`builder build` and `builder prune` are its verbs"},
      {"compose", "compose is a program of its own, and wants an engine's socket"},
      {"trust", "docker's notary is not supported: `proa image trust` says whose images are taken"},
      {"checkpoint", "processes cannot be written to disk and resumed"},
      {"artifact", "artifacts are copied (`proa copy`), not kept in the store"},
  };
  for (const auto& [name, reason] : table) {
    if (name == verb) return reason;
  }
  return nullptr;
}

std::optional<Route> route(const GlobalFlags& flags, const std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  Route result{{}, flags.kept};
  auto& arguments = result.arguments;
  for (const auto& entry : group_verbs()) {
    if (entry.group != words[0] || words.size() < 2 || entry.verb != words[1]) continue;
    result.tool = entry.tool;
    arguments.insert(arguments.end(), entry.words.begin(), entry.words.end());
    arguments.insert(arguments.end(), words.begin() + 2, words.end());
    return result;
  }
  const Verb* verb = find(words[0]);
  if (verb == nullptr) return std::nullopt;
  result.tool = verb->tool;
  arguments.push_back(words[0]);
  // podman's --runtime is of all verbs, ours of those that make containers.
  if (flags.runtime && (words[0] == "run" || words[0] == "create")) {
    arguments.insert(arguments.end(), {"--runtime", *flags.runtime});
  }
  arguments.insert(arguments.end(), words.begin() + 1, words.end());
  return result;
}

}  // namespace proa::front
