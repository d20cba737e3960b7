#include "libcommon/trust/gpg.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/trust/signature.h"

namespace proa::trust {
namespace {

constexpr std::uint64_t kMaxStatus = 256 << 10;
constexpr std::string_view kStatusPrefix = "[GNUPG:] ";

// $TMPDIR, else where what ends with the session is: never a folder that others may write to.
std::string place_for_folders() {
  const char* set = std::getenv("TMPDIR");
  if (set != nullptr && *set == '/') return set;
  std::string run = config::find_paths().run;
  os::make_dirs(run, 0700);
  return run;
}

std::string make_temporary_folder() {
  std::string path = os::join(place_for_folders(), "proa-gpg-XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) throw system_error("make " + path);
  return path;
}

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(make_temporary_folder()) {}
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    try {
      os::remove_tree(path_);
    } catch (const std::exception& error) {
      log::warn(error.what());
    }
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Nothing is fetched, nothing is asked, nothing of the user's options counts.
std::vector<std::string> quiet_options() {
  return {"--no-options",           "--batch",           "--no-tty",     "--quiet",
          "--no-auto-key-retrieve", "--disable-dirmngr", "--no-greeting"};
}

std::vector<std::string> plain_environment() {
  const char* path = std::getenv("PATH");
  return {fmt::format("PATH={}", path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path), "LC_ALL=C"};
}

os::Output run_gpg(os::SpawnPlan plan, std::string_view input) {
  plan.program = "gpg";
  try {
    return os::run(plan, input, 4 * kMaxSignatureSize);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    throw Error(ErrorCode::Unavailable, "gpg is not installed, and signatures cannot be checked or made without it",
                "apt install gpg");
  }
}

// A new one for each run: what an earlier run said must never be taken for the answer of this one.
std::string status_file_in(const std::string& folder) { return os::join(folder, "status-" + random_hex(8)); }

// Options for one run with `home` as gpg's home; its status goes to `status_file`, apart from what foreign data may
// print.
os::SpawnPlan isolated(const std::string& home, const std::string& status_file) {
  os::SpawnPlan plan;
  plan.arguments = quiet_options();
  for (const auto& word :
       {std::string("--no-autostart"), std::string("--homedir"), home, std::string("--trust-model"),
        std::string("always"), std::string("--no-auto-check-trustdb"), std::string("--status-file"), status_file}) {
    plan.arguments.push_back(word);
  }
  plan.environment = plain_environment();
  return plan;
}

void add_words(os::SpawnPlan& plan, std::initializer_list<const char*> words) {
  plan.arguments.insert(plan.arguments.end(), words.begin(), words.end());
}

// The first line that gpg prints, for people.
std::string first_line(const std::string& text) {
  return escape_control(trim(std::string_view(text).substr(0, text.find('\n'))));
}

std::vector<std::string> imported_fingerprints(std::string_view status) {
  std::vector<std::string> result;
  for (const auto& line : split(status, '\n')) {
    if (!line.starts_with(kStatusPrefix)) continue;
    const auto words = split(std::string_view(line).substr(kStatusPrefix.size()), ' ');
    if (words[0] == "IMPORT_OK" && words.size() >= 3) result.push_back(words[2]);
  }
  return result;
}

// A file without a name, whose descriptor gpg can read a secret from: never in argv, never in a file system.
os::UniqueFd secret_file(const std::string& secret) {
  os::UniqueFd file(::memfd_create("passphrase", MFD_CLOEXEC));
  if (!file.valid()) throw system_error("memfd_create");
  os::write_all(file.get(), secret + "\n", "passphrase");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) throw system_error("seek in passphrase");
  return file;
}

[[noreturn]] void refuse(std::string_view why) {
  throw Error(ErrorCode::Corrupt, fmt::format("OpenPGP signature: {}", why));
}

VerifiedMessage verify_with(os::SpawnPlan plan, std::string_view message, const std::string& status_file) {
  if (message.size() > kMaxSignatureSize) refuse(fmt::format("larger than {} bytes", kMaxSignatureSize));
  add_words(plan, {"--decrypt"});
  auto output = run_gpg(std::move(plan), message);
  const auto status = os::try_read_file(status_file, kMaxStatus);
  auto verdict = read_gpg_verdict(status.value_or(""));
  if (!verdict.refusal.empty()) refuse(verdict.refusal);
  // gpg has the last word: it may know of more that is wrong than we do.
  if (!output.status.success()) refuse(fmt::format("gpg {}: {}", output.status.text(), first_line(output.err)));
  return {.text = std::move(output.out), .fingerprint = std::move(verdict.fingerprint)};
}

}  // namespace

GpgKeyring::GpgKeyring() : home_(make_temporary_folder()) {}

GpgKeyring::~GpgKeyring() {
  try {
    os::remove_tree(home_);
  } catch (const std::exception& error) {
    log::warn(error.what());
  }
}

void GpgKeyring::add(std::string_view keys, const std::string& name) {
  const auto status_file = status_file_in(home_);
  auto plan = isolated(home_, status_file);
  add_words(plan, {"--import-options", "import-minimal", "--import"});
  const auto output = run_gpg(std::move(plan), keys);
  const auto found = imported_fingerprints(os::try_read_file(status_file, kMaxStatus).value_or(""));
  if (found.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: no OpenPGP public keys in it ({})", name,
                            output.err.empty() ? "gpg says nothing" : first_line(output.err)));
  }
  fingerprints_.insert(fingerprints_.end(), found.begin(), found.end());
}

VerifiedMessage GpgKeyring::verify(std::string_view message) const {
  const auto status_file = status_file_in(home_);
  auto result = verify_with(isolated(home_, status_file), message, status_file);
  if (std::ranges::find(fingerprints_, result.fingerprint) == fingerprints_.end())
    refuse(fmt::format("made by key {}, which is not trusted here", result.fingerprint));
  return result;
}

VerifiedMessage gpg_verify_with_user_keys(std::string_view message) {
  const TemporaryFolder folder;
  const auto status_file = status_file_in(folder.path());
  os::SpawnPlan plan;
  plan.arguments = quiet_options();
  for (const auto& word :
       {std::string("--trust-model"), std::string("always"), std::string("--status-file"), status_file})
    plan.arguments.push_back(word);
  return verify_with(std::move(plan), message, status_file);
}

std::string gpg_sign(std::string_view text, const std::string& key, const std::optional<std::string>& passphrase) {
  if (key.empty() || key.starts_with('-'))
    throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is no name of a key", escape_control(key)));
  os::SpawnPlan plan;
  plan.arguments = quiet_options();
  os::UniqueFd secret;
  if (passphrase) {
    secret = secret_file(*passphrase);
    add_words(plan, {"--pinentry-mode", "loopback", "--passphrase-fd", "3"});
    plan.descriptors = {{secret.get(), 3}};
  }
  // Uncompressed: who checks it reads plain packets only.
  add_words(plan, {"--personal-digest-preferences", "SHA256 SHA512 SHA384", "--compress-algo", "none", "--local-user"});
  plan.arguments.push_back(key);
  add_words(plan, {"--sign"});
  auto output = run_gpg(std::move(plan), text);
  if (!output.status.success() || output.out.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("signing with key {}: {}", escape_control(key), first_line(output.err)),
                "gpg --list-secret-keys shows the keys that can sign");
  }
  return std::move(output.out);
}

std::vector<std::string> gpg_user_ids(std::string_view keys) {
  const TemporaryFolder home;
  auto plan = isolated(home.path(), status_file_in(home.path()));
  add_words(plan, {"--with-colons", "--import-options", "show-only", "--import"});
  const auto output = run_gpg(std::move(plan), keys);
  std::vector<std::string> result;
  for (const auto& line : split(output.out, '\n')) {
    const auto fields = split(line, ':');
    if (fields[0] == "uid" && fields.size() > 9) result.push_back(fields[9]);
  }
  return result;
}

}  // namespace proa::trust
