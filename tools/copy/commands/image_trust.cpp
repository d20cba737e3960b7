// image trust show|set: policy.json as a table.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/config/lookaside.h"
#include "libcommon/config/policy.h"
#include "libcommon/os/file.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/keys.h"
#include "tools/copy/commands.h"
#include "tools/copy/policy_edit.h"

namespace proa::copy {

namespace {

using OrderedJson = nlohmann::ordered_json;
using Kind = config::Requirement::Kind;

constexpr std::uint64_t kMaxPolicyFile = 8 << 20;
constexpr std::uint64_t kMaxKeyFile = 4 << 20;

struct TrustOptions {
  std::vector<std::string> arguments;
  std::optional<std::string> policy_path, registry_path;
  bool json = false, no_heading = false, raw = false;
  std::string type = "signedBy";
  std::vector<std::string> key_files;
};

std::string type_word(Kind kind) {
  switch (kind) {
    case Kind::AcceptAnything:
      return "accept";
    case Kind::SignedBy:
      return "signed";
    case Kind::Reject:
    case Kind::SigstoreSigned:
    case Kind::NotSupported:
      break;
  }
  return std::string(config::requirement_name(kind));
}

// The mail addresses of the keys. A key file that is gone is worth a warning here, not an error.
std::string key_owners(const config::KeySource& keys) {
  std::vector<std::string> owners;
  const auto add = [&](const std::string& data) {
    for (const auto& id : trust::gpg_user_ids(data)) {
      const auto mail = cut_last(id, "<");
      owners.emplace_back(mail && mail->second.ends_with('>') ? mail->second.substr(0, mail->second.size() - 1) : id);
    }
  };
  try {
    for (const auto& path : keys.paths) add(os::read_file(path, kMaxKeyFile));
    for (const auto& data : keys.data) add(data);
  } catch (const Error& error) {
    log::warn(error.message());
  }
  return join(owners, ", ");
}

class Rows {
 public:
  explicit Rows(config::Lookasides lookasides) : lookasides_(std::move(lookasides)) {}

  void add(const std::string& transport, const std::string& scope, const config::Requirements& requirements) {
    const bool registry = transport == "docker";
    for (const auto& requirement : requirements) {
      OrderedJson row = {{"transport", registry ? "repository" : transport}};
      const bool fallback = transport == "all";
      if (!scope.empty()) row["name"] = fallback ? "* (default)" : scope;
      if (!scope.empty()) row["repo_name"] = scope;
      const bool by_key = requirement.kind == Kind::SignedBy || requirement.kind == Kind::SigstoreSigned;
      const auto store = registry ? lookasides_.url_of_scope(scope) : std::string();
      if (by_key && !store.empty()) row["sigstore"] = store;
      row["type"] = type_word(requirement.kind);
      if (requirement.kind == Kind::SignedBy) row["gpg_id"] = key_owners(requirement.keys);
      if (requirement.kind == Kind::SigstoreSigned) row["gpg_id"] = "N/A";
      rows_.push_back(std::move(row));
    }
  }
  const OrderedJson& json() const { return rows_; }

 private:
  config::Lookasides lookasides_;
  OrderedJson rows_ = OrderedJson::array();
};

std::string text_of(const OrderedJson& row, const char* key) {
  const auto found = row.find(key);
  return found == row.end() ? std::string() : found->get<std::string>();
}

void print_table(const OrderedJson& rows, bool heading) {
  std::vector<std::vector<std::string>> lines;
  if (heading) lines.push_back({"TRANSPORT", "NAME", "TYPE", "ID", "STORE"});
  for (const auto& row : rows) {
    lines.push_back({text_of(row, "transport"), text_of(row, "repo_name"), text_of(row, "type"), text_of(row, "gpg_id"),
                     text_of(row, "sigstore")});
  }
  fmt::print("{}", cli::align_columns(lines));
}

cli::ExitCode show(cli::Context&, const TrustOptions& options) {
  const auto file = options.policy_path.value_or(config::policy_file());
  if (options.raw) {
    fmt::print("{}", os::read_file(file, kMaxPolicyFile));
    return 0;
  }
  const auto policy = config::Policy::load(options.policy_path);
  Rows rows(config::Lookasides::load(options.registry_path));
  rows.add("all", "default", policy.fallback());
  for (const auto& [transport, scopes] : policy.transports()) {
    for (const auto& [scope, requirements] : scopes) rows.add(transport, scope, requirements);
  }
  if (options.json) {
    fmt::print("{}\n", json_text(rows.json(), 2));
  } else {
    print_table(rows.json(), !options.no_heading);
  }
  return 0;
}

// The user's own file; root's is that of the machine unless there is one of its own.
std::string file_to_change(const TrustOptions& options) {
  if (options.policy_path) return *options.policy_path;
  return ::geteuid() == 0 ? config::policy_file() : config::user_policy_file();
}

// Only key files that are what the type wants get into the policy: a wrong one would reject every image.
std::vector<std::string> checked_keys(const TrustOptions& options) {
  std::vector<std::string> result;
  for (const auto& file : options.key_files) {
    const auto data = os::read_file(file, kMaxKeyFile);
    if (options.type == "signedBy") trust::GpgKeyring().add(data, file);
    if (options.type == "sigstoreSigned") trust::PublicKey::parse(data, file);
    char* path = ::realpath(file.c_str(), nullptr);
    if (path == nullptr) throw system_error("resolve " + file);
    result.emplace_back(path);
    std::free(path);
  }
  return result;
}

void replace_file(const std::string& path, const std::string& text) {
  os::make_dirs(path.substr(0, path.rfind('/') + 1).empty() ? "." : path.substr(0, path.rfind('/') + 1), 0755);
  const auto temporary = path + "." + random_hex(8);
  const auto file = os::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  Defer remove([&]() noexcept { ::unlink(temporary.c_str()); });
  os::write_all(file.get(), text, temporary);
  if (::fsync(file.get()) != 0) throw system_error("fsync " + temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw system_error("rename to " + path);
  remove.dismiss();
}

cli::ExitCode set(cli::Context&, const TrustOptions& options) {
  const auto file = file_to_change(options);
  // Who has no file of their own yet starts from what the machine says, so that nothing is forgotten.
  const auto origin = os::exists(file) ? file : config::policy_file();
  const auto before = os::exists(origin) ? os::read_file(origin, kMaxPolicyFile) : std::string();
  const TrustChange change{
      .scope = options.arguments.front(), .type = options.type, .key_files = checked_keys(options)};
  replace_file(file, change_policy(before, change));
  return 0;
}

cli::Command show_command() {
  return cli::command<TrustOptions>("show", "Print which images may be used")
      .flag("json,j", &TrustOptions::json, "Print JSON")
      .flag("noheading,n", &TrustOptions::no_heading, "Leave the heading out")
      .value("policypath", &TrustOptions::policy_path, "Another policy.json", "FILE")
      .hide_last()
      .flag("raw", &TrustOptions::raw, "Print the file as it is")
      .value("registrypath", &TrustOptions::registry_path, "Another registries.d", "DIR")
      .hide_last()
      .positionals("", &TrustOptions::arguments, 0, 0)
      .runs(show);
}

cli::Command set_command() {
  return cli::command<TrustOptions>("set", "Change which images of a registry or repository may be used")
      .value("policypath", &TrustOptions::policy_path, "Another policy.json", "FILE")
      .hide_last()
      .value("pubkeysfile,f", &TrustOptions::key_files, "File of a public key; all that are given have to sign", "FILE",
             cli::Complete::File)
      .value("type,t", &TrustOptions::type, "accept, reject, signedBy or sigstoreSigned", "TYPE")
      .positionals("REGISTRY[/REPOSITORY]|default", &TrustOptions::arguments, 1, 1)
      .runs(set);
}

}  // namespace

cli::Command image_trust_group() {
  return cli::group("trust", "Manage which images may be used", {set_command(), show_command()});
}

}  // namespace proa::copy
