#include "tools/build/sources/git_fetch.h"

#include <fmt/core.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/sources/helper.h"

namespace proa::build {
namespace {

bool is_commit(std::string_view text) { return (text.size() == 40 || text.size() == 64) && is_hex(text); }

std::string url_of(const GitRef& ref) { return ref.like_local ? "https://" + ref.remote : ref.remote; }

// An environment of our own: the host's configuration may name programs to run, and a repository must not read it.
std::vector<std::string> environment(const std::string& agent) {
  std::vector<std::string> env = {"HOME=/nonexistent",     "GIT_CONFIG_NOSYSTEM=1",  "GIT_CONFIG_GLOBAL=/dev/null",
                                  "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "LC_ALL=C"};
  for (const char* name : {"PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
                           "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
    if (const char* value = std::getenv(name)) env.push_back(std::string(name) + "=" + value);
  }
  const char* home = std::getenv("HOME");
  std::string known = home != nullptr ? fmt::format(" -o UserKnownHostsFile={}/.ssh/known_hosts", home) : "";
  env.push_back("GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes" + known);
  if (!agent.empty()) env.push_back("SSH_AUTH_SOCK=" + agent);
  return env;
}

os::SpawnPlan git(std::vector<std::string> arguments, const std::string& agent, const os::Path& folder = {}) {
  os::SpawnPlan plan;
  plan.program = "git";
  // No hooks, no local or external transports (CVE-2022-39253), no bundles named by the server.
  plan.arguments = {"-c", "core.hooksPath=/dev/null",   "-c", "protocol.allow=never",
                    "-c", "protocol.http.allow=always", "-c", "protocol.https.allow=always",
                    "-c", "protocol.git.allow=always",  "-c", "protocol.ssh.allow=always",
                    "-c", "transfer.bundleURI=false",   "-c", "core.fsmonitor=false",
                    "-c", "safe.directory=*",           "-c", "init.defaultBranch=main"};
  plan.arguments.insert(plan.arguments.end(), arguments.begin(), arguments.end());
  plan.environment = environment(agent);
  plan.working_directory = folder;
  return plan;
}

// "refs/heads/x" and so on, in the order in which git itself would look.
std::vector<std::string> candidates(const std::string& name) {
  if (name.empty()) return {"HEAD"};
  return {name, "refs/tags/" + name + "^{}", "refs/tags/" + name, "refs/heads/" + name, name + "^{}"};
}

}  // namespace

std::string resolve_commit(const GitRef& ref, const std::string& agent) {
  std::string shown = escape_control(without_credentials(url_of(ref)));
  While resolving{[&] { return fmt::format("git repository {}", shown); }};
  std::string commit;
  if (is_commit(ref.ref)) {
    commit = ref.ref;
  } else {
    std::vector<std::string> arguments = {"ls-remote", "--", url_of(ref)};
    arguments.push_back(ref.ref.empty() ? "HEAD" : ref.ref);
    if (!ref.ref.empty()) arguments.push_back(ref.ref + "^{}");
    std::string list = output_of(git(arguments, agent), "git ls-remote");
    StringMap<std::string> found;
    for (const std::string& line : split(list, '\n')) {
      if (auto pair = cut(line, "\t")) found.emplace(pair->second, pair->first);
    }
    for (const std::string& name : candidates(ref.ref)) {
      auto there = found.find(name);
      // A tag that is an object of its own names the commit by its "^{}".
      if (auto peeled = found.find(name + "^{}"); peeled != found.end()) there = peeled;
      if (there == found.end() || !is_commit(there->second)) continue;
      commit = there->second;
      break;
    }
    if (commit.empty()) throw Error(ErrorCode::NotFound, fmt::format("there is no {}", escape_control(ref.ref)));
  }
  if (!ref.checksum.empty() && !commit.starts_with(ref.checksum)) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("expected checksum to match {}, got {}", escape_control(ref.checksum), commit));
  }
  return commit;
}

void checkout_commit(const GitRef& ref, const std::string& commit, const os::Path& folder, bool keep_git_dir,
                     const std::string& agent) {
  std::string shown = escape_control(without_credentials(url_of(ref)));
  While fetching{[&] { return fmt::format("git repository {}", shown); }};
  output_of(git({"init", "-q", "."}, agent, folder), "git init");
  std::string wanted = ref.ref.empty() ? "HEAD" : ref.ref;
  try {
    output_of(git({"fetch", "-q", "--no-tags", "--depth=1", "--", url_of(ref), commit}, agent, folder), "git fetch");
  } catch (const Error&) {
    // Servers that give no single commits give what a name leads to.
    output_of(git({"fetch", "-q", "--no-tags", "--", url_of(ref), is_commit(wanted) ? "HEAD" : wanted}, agent, folder),
              "git fetch");
  }
  output_of(git({"-c", "advice.detachedHead=false", "checkout", "-q", commit, "--"}, agent, folder), "git checkout");
  if (ref.submodules.value_or(true) && os::exists(os::join(folder, ".gitmodules"))) {
    output_of(git({"submodule", "update", "-q", "--init", "--recursive", "--depth=1"}, agent, folder), "git submodule");
  }
  if (!keep_git_dir) os::remove_tree(os::join(folder, ".git"));
}

}  // namespace proa::build
