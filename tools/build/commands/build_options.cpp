#include "tools/build/commands/build_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/platform.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/ulimits.h"
#include "tools/build/commands/common_flags.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

using O = BuildOptions;

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

constexpr std::uint64_t kMaxArgFile = 1u << 20, kMaxProfile = 4u << 20;

// Files first: what is given on the command line wins.
Variables all_build_args(const O& options) {
  std::vector<std::string> words;
  for (const std::string& path : options.build_arg_files) {
    for (std::string& line :
         spec::parse_env_file(os::read_file(path, kMaxArgFile), path, spec::lookup_process_environment))
      words.push_back(std::move(line));
  }
  words.insert(words.end(), options.build_args.begin(), options.build_args.end());
  return parse_build_args(words);
}

void add_proxies(Variables& values) {
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}) {
    for (const std::string& key : {std::string(name), to_lower(name)}) {
      const char* value = std::getenv(key.c_str());
      if (value != nullptr) values.emplace(key, value);
    }
  }
}

std::map<std::string, ContextSpec> parse_contexts(const std::vector<std::string>& texts) {
  std::map<std::string, ContextSpec> contexts;
  for (const std::string& text : texts) {
    auto pair = cut(text, "=");
    if (!pair || pair->first.empty() || pair->second.empty())
      fail(fmt::format("--build-context {}: must be NAME=CONTEXT", escape_control(text)));
    std::string place(pair->second);
    if (place.starts_with("oci-layout://"))
      unsupported("--build-context from an OCI layout is not supported", "pull it first: `proa pull oci:PATH`");
    ContextSpec spec = parse_context(place, os::exists(place));
    if (spec.kind == ContextSpec::Kind::Stdin) fail("--build-context cannot be stdin");
    contexts[std::string(pair->first)] = std::move(spec);
  }
  return contexts;
}

void add_security(const O& options, RunSettings& run) {
  for (const std::string& text : options.security) {
    auto pair = cut(text, "=");
    if (!pair) pair = cut(text, ":");
    std::string key(pair ? pair->first : std::string_view(text)), value(pair ? pair->second : std::string_view());
    if (key == "seccomp" && value == "unconfined") {
      run.seccomp.kind = runtime::SeccompChoice::Kind::Unconfined;
    } else if (key == "seccomp") {
      run.seccomp = {runtime::SeccompChoice::Kind::Profile, os::read_file(value, kMaxProfile)};
    } else if (key != "label" && key != "apparmor") {
      fail(fmt::format("--security-opt: unknown option '{}'", escape_control(text)), "known is seccomp=");
    }
  }
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
  run.volumes = options.volumes;
  run.volume_mounts = bind_volumes(options.volumes);
  add_security(options, run);
  return run;
}

}  // namespace

void refuse_unsupported(const O& options) {
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
  for (const std::string& entitlement : options.allowed) {
    if (entitlement != "security.insecure" && entitlement != "network.host" && entitlement != "device")
      fail(fmt::format("--allow: unknown entitlement '{}'", escape_control(entitlement)));
  }
  if (options.call != "build" && options.call != "check")
    unsupported(fmt::format("--call={} is not supported", escape_control(options.call)), "use build or check");
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
  image.omit_history = options.omit_history;
  constexpr std::string_view kManifest = "annotation-manifest.";
  for (const auto& [key, value] : parse_annotations(options.annotations)) {
    if (!key.starts_with(kManifest)) unsupported("only annotations of the manifest can be given: there is no index");
    image.annotations[key.substr(kManifest.size())] = value;
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
  request.build_args = all_build_args(options);
  if (options.http_proxy) add_proxies(request.build_args);
  request.contexts = parse_contexts(options.contexts);
  for (const std::string& list : options.no_cache_filters) {
    for (const std::string& name : split(list, ',')) request.uncached.insert(to_lower(name));
  }
  request.allowed = {options.allowed.begin(), options.allowed.end()};
  request.jobs = options.jobs > 0 ? options.jobs : std::max(4U, 2 * std::thread::hardware_concurrency());
  for (const std::string& text : options.env) {
    std::string entry = spec::parse_env(text, spec::lookup_process_environment);
    auto pair = cut(entry, "=");
    if (pair) request.env.push_back({std::string(pair->first), std::string(pair->second)});
  }
  request.unset_env = options.unset_env;
  request.unset_labels = options.unset_labels;
  for (const std::string& text : options.labels) {
    spec::Label label = spec::parse_label(text);
    request.labels.push_back({label.key, label.value});
  }
  request.pull = parse_pull_policy(options.pull);
  request.run = run_settings(options);
  return request;
}

Timestamps timestamps_of(const O& options) {
  Timestamps times;
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  std::string text = options.timestamp.value_or(options.source_date_epoch.value_or(epoch != nullptr ? epoch : ""));
  if (text.empty()) return times;
  auto seconds = parse_integer<std::int64_t>(text);
  constexpr std::int64_t kLatest = 9'000'000'000;  // what nanoseconds in 64 bits can hold
  if (!seconds || *seconds < 0 || *seconds > kLatest)
    fail(fmt::format("a timestamp is a number of seconds since 1970, not '{}'", escape_control(text)));
  times.fixed = Time(std::chrono::seconds(*seconds));
  times.set_all = options.timestamp.has_value();
  return times;
}

std::vector<OutputSpec> outputs_of(const O& options) {
  std::vector<OutputSpec> outputs;
  std::size_t to_stdout = 0;
  for (const std::string& text : options.outputs) {
    outputs.push_back(parse_output(text));
    if (outputs.back().names.empty()) outputs.back().names = options.tags;
    if (outputs.back().destination == "-") ++to_stdout;
  }
  if (to_stdout > 1) fail("only one --output can go to stdout");
  if (outputs.empty() || options.load) outputs.push_back({});
  if (options.push) {
    OutputSpec push;
    push.kind = OutputSpec::Kind::Registry;
    push.push = true;
    push.names = options.tags;
    if (push.names.empty()) fail("--push needs a name", "give one with --tag");
    outputs.push_back(std::move(push));
  }
  return outputs;
}

}  // namespace proa::build
