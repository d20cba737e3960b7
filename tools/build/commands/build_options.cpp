#include "tools/build/commands/build_options.h"

#include <fmt/format.h>

#include <cstdlib>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/platform.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/ulimits.h"

namespace proa::build {
namespace {

using O = BuildOptions;

[[noreturn]] void fail(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}
[[noreturn]] void unsupported(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::Unsupported, std::move(message), std::move(hint));
}

NetworkChoice parse_network(const std::string& text) {
  if (text.empty() || text == "default" || text == "private" || text == "pasta") return NetworkChoice::Default;
  if (text == "host") return NetworkChoice::Host;
  if (text == "none") return NetworkChoice::None;
  unsupported(fmt::format("--network={} is not supported for builds", escape_control(text)),
              "use default, host or none");
}

PullPolicy parse_pull(const std::string& text) {
  if (text == "missing" || text == "ifmissing" || text == "false") return PullPolicy::Missing;
  if (text == "always" || text == "true" || text == "newer" || text == "ifnewer") return PullPolicy::Always;
  if (text == "never") return PullPolicy::Never;
  fail(fmt::format("--pull is always, missing or never, not '{}'", escape_control(text)));
}

Variables parse_build_args(const std::vector<std::string>& words) {
  Variables values;
  for (const std::string& word : words) {
    auto pair = cut(word, "=");
    std::string key(pair ? pair->first : std::string_view(word));
    if (key.empty()) fail("--build-arg needs a name");
    if (pair) {
      values[key] = pair->second;
    } else if (const char* value = std::getenv(key.c_str())) {
      values[key] = value;
    }
  }
  return values;
}

std::uint64_t limit(std::int64_t value) {
  return value == spec::kUnlimited ? UINT64_MAX : static_cast<std::uint64_t>(value);
}

RunSettings run_settings(const O& options) {
  RunSettings run;
  run.network = parse_network(options.network);
  for (const std::string& host : options.hosts) {
    spec::HostEntry entry = spec::parse_add_host(host);
    if (entry.address == "host-gateway") unsupported("--add-host with host-gateway is not supported for builds");
    for (const std::string& name : entry.names) run.hosts.emplace_back(name, entry.address);
  }
  for (const std::string& text : options.ulimits) {
    spec::Ulimit ulimit = spec::parse_ulimit(text);
    run.rlimits.push_back({ulimit.rlimit_name(), limit(ulimit.hard), limit(ulimit.soft)});
  }
  run.cap_add = options.cap_add;
  run.cap_drop = options.cap_drop;
  if (options.shm_size) {
    auto size = parse_size_1024(*options.shm_size);
    if (!size || *size <= 0) fail(fmt::format("--shm-size: invalid size '{}'", escape_control(*options.shm_size)));
    run.shm_size = static_cast<std::uint64_t>(*size);
  }
  for (const std::string& server : options.dns) run.dns.push_back(spec::parse_dns_server(server));
  for (const std::string& domain : options.dns_search) run.dns_search.push_back(spec::parse_dns_search(domain));
  run.dns_options = options.dns_options;
  return run;
}

}  // namespace

void declare_build_options(cli::CommandBuilder<O>& builder) {
  builder.positionals("[CONTEXT]", &O::positionals, 0, 1, cli::Complete::Directory)
      .value("tag,t", &O::tags, "Name of the image; may be repeated", "NAME")
      .value("file,f", &O::file, "The Containerfile; - reads it from stdin", "PATH", cli::Complete::File)
      .value("target", &O::target, "Stage to build", "STAGE")
      .value("build-arg", &O::build_args, "Value of an ARG: KEY=VALUE, or KEY from the environment", "KEY[=VALUE]")
      .value("label", &O::labels, "Label of the image", "KEY=VALUE")
      .value("annotation", &O::annotations, "Annotation of the manifest", "KEY=VALUE")
      .value("network", &O::network, "Network of RUN: default, host or none", "MODE")
      .value("platform", &O::platforms, "Platform to build for; only this machine's", "OS/ARCH")
      .value("secret", &O::secrets, "A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=VARIABLE",
             "SECRET")
      .value("ssh", &O::agents, "An ssh agent for RUN --mount=type=ssh: default or ID=SOCKET", "AGENT")
      .value("add-host", &O::hosts, "A line for /etc/hosts in RUN: NAME:ADDRESS", "HOST")
      .value("dns", &O::dns, "Name server for RUN", "ADDRESS")
      .value("dns-search", &O::dns_search, "Search domain for RUN", "DOMAIN")
      .value("dns-option", &O::dns_options, "Option of resolv.conf for RUN", "OPTION")
      .value("ulimit", &O::ulimits, "Limit of processes in RUN: NAME=SOFT[:HARD]", "LIMIT")
      .value("shm-size", &O::shm_size, "Size of /dev/shm in RUN", "SIZE")
      .value("cap-add", &O::cap_add, "Add a capability in RUN", "CAPABILITY")
      .value("cap-drop", &O::cap_drop, "Drop a capability in RUN", "CAPABILITY")
      .value("iidfile", &O::iidfile, "Write the image's id to a file", "PATH", cli::Complete::File)
      .value("ignorefile", &O::ignore_file, "Use this file in place of .containerignore", "PATH", cli::Complete::File)
      .value("format", &O::format, "Format of manifest and configuration: oci or docker", "FORMAT")
      .value("progress", &O::progress, "How progress is shown: auto, plain or quiet", "MODE")
      .value("pull", &O::pull, "When to fetch base images: missing, always or never", "POLICY")
      .implicit("always")
      .value("timestamp", &O::timestamp, "Seconds since 1970 for the image and all new files", "SECONDS")
      .value("source-date-epoch", &O::source_date_epoch, "Seconds since 1970 for the image; no new file is newer",
             "SECONDS")
      .value("isolation", &O::isolation, "Isolation of RUN: default, oci or rootless", "KIND")
      .value("root", &O::root, "Where images are kept", "PATH", cli::Complete::Directory)
      .value("runroot", &O::runroot, "Where running state is kept", "PATH", cli::Complete::Directory)
      .flag("no-cache", &O::no_cache, "Do every step anew")
      .flag("quiet,q", &O::quiet, "Print the image's id only")
      .flag("layers", &O::layers, "Keep a layer for each step (always so)")
      .flag("squash", &O::squash, "One layer for all steps (not supported)")
      .flag("rm", &O::rm, "Remove intermediate containers (there are none)")
      .flag("force-rm", &O::force_rm, "Remove intermediate containers (there are none)");
}

void refuse_unsupported(const O& options) {
  if (options.squash) unsupported("--squash is not supported");
  if (!options.layers.value_or(true)) unsupported("--layers=false is not supported: each step is a layer");
  if (options.format != "oci" && options.format != "docker") {
    fail(fmt::format("--format is oci or docker, not '{}'", escape_control(options.format)));
  }
  if (!options.isolation.empty() && options.isolation != "default" && options.isolation != "oci" &&
      options.isolation != "rootless") {
    unsupported(fmt::format("--isolation={} is not supported", escape_control(options.isolation)));
  }
  if (options.platforms.size() > 1) unsupported("building for several platforms is not supported");
  for (const std::string& platform : options.platforms) {
    if (!oci::match_rank(oci::Platform::host(), oci::Platform::parse(platform))) {
      unsupported(fmt::format("building for {} is not supported on this machine ({})", escape_control(platform),
                              oci::Platform::host().str()));
    }
  }
  if (options.timestamp && options.source_date_epoch) fail("--timestamp and --source-date-epoch exclude one another");
}

ImageSettings image_settings(const O& options) {
  ImageSettings image;
  image.docker_format = options.format == "docker";
  for (const std::string& tag : options.tags) {
    oci::Reference name = oci::Reference::parse_normalized(tag);
    if (name.digest())
      fail(fmt::format("--tag {}: a name with a digest cannot be given to an image", escape_control(tag)));
    image.names.push_back(name.with_default_tag());
  }
  for (const std::string& text : options.annotations) {
    auto pair = cut(text, "=");
    if (!pair || pair->first.empty()) fail(fmt::format("--annotation {}: must be KEY=VALUE", escape_control(text)));
    image.annotations[std::string(pair->first)] = pair->second;
  }
  if (image.docker_format && !image.annotations.empty())
    unsupported("the docker format has no annotations", "build with --format oci");
  return image;
}

BuildRequest build_request(const O& options, const BuildInput& input) {
  BuildRequest request;
  request.file_name = input.file_name;
  request.text = input.text;
  request.target = options.target;
  request.build_args = parse_build_args(options.build_args);
  for (const std::string& text : options.labels) {
    spec::Label label = spec::parse_label(text);
    request.labels.push_back({label.key, label.value});
  }
  request.pull = parse_pull(options.pull);
  request.run = run_settings(options);
  for (const std::string& secret : options.secrets) request.secrets.add_secret(secret);
  for (const std::string& agent : options.agents) request.secrets.add_agent(agent);
  return request;
}

}  // namespace proa::build
