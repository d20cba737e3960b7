#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/auth.h"
#include "libcommon/config/registries.h"
#include "libcommon/os/file.h"
#include "libcommon/registry/session.h"
#include "libcommon/transport/docker_repository.h"
#include "tools/copy/commands.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/terminal.h"

namespace proa::copy {

namespace {

struct LoginOptions {
  std::vector<std::string> registries;
  transport::RegistryOptions registry;
  std::optional<std::string> username, password, compat_auth_file;
  bool password_stdin = false;
  bool get_login = false;
  bool verbose = false;
  bool all = false;  // logout
};

constexpr std::uint64_t kMaxPassword = 64 << 10;

config::AuthLocation auth_location(const LoginOptions& options) {
  if (options.compat_auth_file && options.registry.authfile) {
    throw Error(ErrorCode::InvalidArgument,
                "options for paths to the credential file and to the Docker-compatible credential file can not be set "
                "simultaneously");
  }
  return {.file = options.registry.authfile.value_or(options.compat_auth_file.value_or(""))};
}

// "https://example.com/v1/" was docker's way to name a registry.
std::string registry_name(const LoginOptions& options) {
  if (options.registries.empty()) return "docker.io";
  std::string_view name = options.registries.front();
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (name.starts_with(scheme)) name.remove_prefix(scheme.size());
  }
  while (name.ends_with('/')) name.remove_suffix(1);
  if (name.empty() || name.find_first_of(" @?#") != std::string_view::npos) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("\"{}\" is no registry", escape_control(options.registries.front())));
  }
  return std::string(name.substr(0, name.find('/')) == "index.docker.io" ? "docker.io" : name);
}

std::string read_line(const char* prompt, bool secret) {
  return ask_line(prompt, secret, secret ? "password" : "user name", "give --username and --password-stdin");
}

config::Credentials ask(const LoginOptions& options, const std::string& name, const config::AuthLocation& where) {
  config::Credentials credentials;
  if (options.password && options.password_stdin) {
    throw Error(ErrorCode::InvalidArgument, "Can't specify both --password-stdin and --password");
  }
  if (options.password_stdin && !options.username)
    throw Error(ErrorCode::InvalidArgument, "Must provide --username with --password-stdin");
  if (!options.username && !options.password) {
    if (const auto stored = config::find_credentials(name, where); stored && !stored->username.empty()) return *stored;
  }
  credentials.username = options.username ? *options.username : std::string(trim(read_line("Username: ", false)));
  if (credentials.username.empty()) throw Error(ErrorCode::InvalidArgument, "a user name is needed");
  if (options.password_stdin) {
    std::string text = os::read_fd(STDIN_FILENO, kMaxPassword, "standard input");
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    credentials.password = std::move(text);
  } else {
    credentials.password = options.password ? *options.password : read_line("Password: ", true);
  }
  return credentials;
}

cli::ExitCode login(cli::Context&, const LoginOptions& options) {
  const auto name = registry_name(options);
  const auto where = auth_location(options);
  if (options.get_login) {
    const auto stored = config::find_credentials(name, where);
    if (!stored) throw Error(ErrorCode::NotFound, fmt::format("not logged into {}", name));
    fmt::print("{}\n", escape_control(stored->username));
    return 0;
  }
  const While logging_in{[&] { return fmt::format("logging into \"{}\"", name); }};
  const auto credentials = ask(options, name, where);
  // As for images of it: `insecure` counts, and what is blocked is told no password.
  const auto endpoint = config::Registries::load().primary(oci::Reference::parse_normalized(name + "/any"));
  auto session_options = transport::session_options(options.registry, endpoint.insecure);
  session_options.credentials = credentials;
  registry::Session(name.substr(0, name.find('/')), session_options).check_credentials();
  const auto file = config::store_credentials(name, credentials, where);
  if (options.verbose) fmt::print("Used:  {}\n", file);
  fmt::print("Login Succeeded!\n");
  return 0;
}

cli::ExitCode logout(cli::Context&, const LoginOptions& options) {
  const auto where = auth_location(options);
  if (options.all) {
    config::remove_all_credentials(where);
    fmt::print("Removed login credentials for all registries\n");
    return 0;
  }
  const auto name = registry_name(options);
  if (!config::remove_credentials(name, where)) {
    const auto elsewhere = config::file_with_credentials(name, where);
    throw Error(ErrorCode::NotFound, fmt::format("not logged into {}", name),
                elsewhere ? fmt::format("{} has credentials for it: add --authfile {}", *elsewhere, *elsewhere) : "");
  }
  fmt::print("Removed login credentials for {}\n", name);
  return 0;
}

}  // namespace

cli::Command login_command() {
  using Builder = cli::CommandBuilder<LoginOptions>;
  return cli::command<LoginOptions>("login", "Log in to a registry")
      .value("compat-auth-file", &LoginOptions::compat_auth_file, "Docker's config.json to update instead", "FILE")
      .flag("get-login", &LoginOptions::get_login, "Print the user name that is stored")
      .value("password,p", &LoginOptions::password, "Password (other users can see it: prefer --password-stdin)",
             "PASSWORD")
      .flag("password-stdin", &LoginOptions::password_stdin, "Read the password from standard input")
      .value("username,u", &LoginOptions::username, "User name", "USER")
      .flag("verbose,v", &LoginOptions::verbose, "Say where the credentials are kept")
      .with([](Builder& b) { registry_flags(b, &LoginOptions::registry); })
      .positionals("[REGISTRY]", &LoginOptions::registries, 0, 1)
      .runs(login);
}

cli::Command logout_command() {
  using Builder = cli::CommandBuilder<LoginOptions>;
  return cli::command<LoginOptions>("logout", "Log out of a registry")
      .flag("all,a", &LoginOptions::all, "Forget the credentials of all registries")
      .value("compat-auth-file", &LoginOptions::compat_auth_file, "Docker's config.json to update instead", "FILE")
      .with([](Builder& b) { registry_flags(b, &LoginOptions::registry); })
      .positionals("[REGISTRY]", &LoginOptions::registries, 0, 1)
      .runs(logout);
}

}  // namespace proa::copy
