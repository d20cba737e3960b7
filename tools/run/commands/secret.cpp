// The group `secret`.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/file.h"
#include "libcommon/spec/env_file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/filters.h"
#include "tools/run/engine/secrets.h"

namespace proa::commands {
namespace {

using engine::Secret;
using engine::Secrets;
using Json = nlohmann::json;

struct SecretOptions {
  std::vector<std::string> words, labels, filter;
  std::string driver = "file", format;
  bool from_env = false, replace = false, ignore = false, quiet = false, noheading = false, pretty = false,
       show_secret = false, all = false;
};

std::string read_secret(const SecretOptions& options) {
  const std::string& source = options.words[1];
  if (options.from_env) {
    const char* value = ::getenv(source.c_str());
    if (value == nullptr) {
      throw Error(ErrorCode::NotFound, fmt::format("there is no variable {}", source), "export it first");
    }
    return value;
  }
  if (source == "-") return os::read_fd(STDIN_FILENO, engine::kMaxSecret, "standard input");
  return os::read_fd(os::open(source, O_RDONLY | O_CLOEXEC).get(), engine::kMaxSecret, source);
}

int create(cli::Context&, const SecretOptions& options) {
  if (options.driver != "file") {
    throw Error(ErrorCode::Unsupported, fmt::format("the secret driver '{}' is not supported", options.driver),
                "use file");
  }
  std::map<std::string, std::string> labels;
  for (const auto& text : options.labels) {
    auto label = spec::parse_label(text);
    labels[label.key] = label.value;
  }
  const auto existing = options.replace  ? Secrets::Existing::Replace
                        : options.ignore ? Secrets::Existing::Keep
                                         : Secrets::Existing::Refuse;
  const auto containers = open_containers();
  print(Secrets(containers.paths()).create(options.words[0], read_secret(options), labels, existing).id + "\n");
  return 0;
}

Json secret_json(const Secret& secret) {
  return {{"ID", secret.id},
          {"CreatedAt", secret.created},
          {"UpdatedAt", secret.updated},
          {"Spec",
           {{"Name", secret.name},
            {"Driver", {{"Name", "file"}, {"Options", Json::object()}}},
            {"Labels", secret.labels}}}};
}

std::string ago(const std::string& time) {
  const auto parsed = parse_rfc3339(time);
  return parsed ? human_duration(now() - *parsed) + " ago" : "";
}

bool matches(const Secret& secret, const Filter& filter) {
  if (filter.key == "name") return secret.name.find(filter.value) != std::string::npos;
  if (filter.key == "id") return secret.id.starts_with(filter.value);
  if (filter.key == "label") return has_label(secret.labels, filter.value);
  unknown_filter(filter, "id, label, name");
}

int list(cli::Context&, const SecretOptions& options) {
  const auto containers = open_containers();
  const auto filters = parse_filters(options.filter);
  Json rows = Json::array();
  for (const auto& secret : Secrets(containers.paths()).list()) {
    if (!pass_all(filters, [&](const Filter& filter) { return matches(secret, filter); })) continue;
    if (options.quiet) {
      print(secret.id + "\n");
      continue;
    }
    rows.push_back({{"ID", secret.id},
                    {"Name", secret.name},
                    {"Driver", "file"},
                    {"CreatedAt", ago(secret.created)},
                    {"UpdatedAt", ago(secret.updated)},
                    {"Labels", labels_text(secret.labels)}});
  }
  if (options.quiet) return 0;
  const cli::Listing listing{"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
                             {{"CreatedAt", "CREATED"}, {"UpdatedAt", "UPDATED"}}};
  print(cli::format_listing(listing, options.format, rows, !options.noheading));
  return 0;
}

int inspect(cli::Context&, const SecretOptions& options) {
  const auto containers = open_containers();
  const Secrets secrets(containers.paths());
  Json objects = Json::array();
  int result = 0;
  for (const auto& name : options.words) {
    const auto secret = secrets.find(name);
    if (!secret) {
      cli::report(Error(ErrorCode::NotFound, fmt::format("no such secret: {}", name)));
      result = 125;
      continue;
    }
    Json object = secret_json(*secret);
    if (options.show_secret) object["SecretData"] = secrets.data(*secret);
    if (options.pretty) {
      print(
          fmt::format("ID:              {}\nName:            {}\nDriver:          file\nCreated at:      {}\n"
                      "Updated at:      {}\n",
                      secret->id, secret->name, secret->created, secret->updated));
    }
    objects.push_back(std::move(object));
  }
  if (options.pretty) return result;
  if (!objects.empty() || options.format.empty()) print(cli::format_inspect(options.format, objects));
  if (options.format.empty() || options.format == "json") print("\n");
  return result;
}

int remove(cli::Context&, const SecretOptions& options) {
  const auto containers = open_containers();
  const Secrets secrets(containers.paths());
  std::vector<std::string> names = options.words;
  if (options.all) {
    for (const auto& secret : secrets.list()) names.push_back(secret.name);
  }
  if (names.empty() && !options.all) throw Error(ErrorCode::InvalidArgument, "no secret named");
  int result = 0;
  for (const auto& name : names) {
    if (const auto secret = secrets.find(name)) {
      secrets.remove(*secret);
      print(secret->id + "\n");
    } else if (!options.ignore) {
      cli::report(Error(ErrorCode::NotFound, fmt::format("no such secret: {}", name)));
      result = 1;
    }
  }
  return result;
}

int exists(cli::Context&, const SecretOptions& options) {
  return Secrets(open_containers().paths()).find(options.words[0]) ? 0 : 1;
}

cli::Command secret_create() {
  auto b = cli::command<SecretOptions>("create", "Keep a secret");
  b.value("driver,d", &SecretOptions::driver, "file", "DRIVER")
      .flag("env", &SecretOptions::from_env, "The source is a variable of the environment")
      .flag("ignore", &SecretOptions::ignore, "No error when it exists")
      .value("label,l", &SecretOptions::labels, "Label of the secret", "NAME[=VALUE]")
      .flag("replace", &SecretOptions::replace, "Take the place of one that exists")
      .positionals("NAME FILE|-", &SecretOptions::words, 2, 2, cli::Complete::File);
  refuse(b, "driver-opts", true, "the driver file has no options");
  refuse(b, "template-driver", true, "write the finished text into the secret");
  return b.runs(create);
}

}  // namespace

cli::Command secret_group() {
  return cli::group("secret", "Manage secrets",
                    {secret_create(),
                     cli::command<SecretOptions>("ls", "List secrets")
                         .alias("list")
                         .value("filter,f", &SecretOptions::filter, "Only those that match", "KEY=VALUE")
                         .value("format", &SecretOptions::format, "json, table, or a Go template", "FORMAT")
                         .flag("noheading,n", &SecretOptions::noheading, "No line of headings")
                         .flag("quiet,q", &SecretOptions::quiet, "Ids only")
                         .runs(list),
                     cli::command<SecretOptions>("inspect", "Show secrets as JSON, without what they hold")
                         .value("format,f", &SecretOptions::format, "json, or a Go template", "FORMAT")
                         .flag("pretty", &SecretOptions::pretty, "For people")
                         .flag("showsecret", &SecretOptions::show_secret, "With what they hold")
                         .positionals("SECRET [SECRET...]", &SecretOptions::words, 1, cli::kAnyNumber)
                         .runs(inspect),
                     cli::command<SecretOptions>("rm", "Remove secrets")
                         .alias("remove")
                         .flag("all,a", &SecretOptions::all, "All secrets")
                         .flag("ignore,i", &SecretOptions::ignore, "Pass over secrets that are not there")
                         .positionals("[SECRET...]", &SecretOptions::words, 0, cli::kAnyNumber)
                         .runs(remove),
                     cli::command<SecretOptions>("exists", "Say by the exit code whether a secret is there")
                         .positionals("SECRET", &SecretOptions::words, 1, 1)
                         .runs(exists)});
}

}  // namespace proa::commands
