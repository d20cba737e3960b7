// Verbs that buildah has, too, and another of our programs does.
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/runtime/self.h"
#include "tools/build/working/verbs.h"

namespace proa::build {

void forward_to(const std::string& program, const std::vector<std::string>& words) {
  std::string self = runtime::own_binary();
  std::string beside = self.substr(0, self.find_last_of('/')) + "/" + program;
  std::vector<std::string> all = {::access(beside.c_str(), X_OK) == 0 ? beside : program};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  throw system_error("start " + program);
}

std::string program_of_verb(const std::string& verb) {
  for (const char* name : {"tag", "push", "pull", "images", "manifest", "rmi", "login", "logout", "untag"}) {
    if (verb == name) return "proa-copy";
  }
  for (const char* name : {"unshare", "info", "version"}) {
    if (verb == name) return "proa-run";
  }
  return "";
}

}  // namespace proa::build
