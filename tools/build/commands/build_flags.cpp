#include "libcommon/base/error.h"
#include "tools/build/commands/build_options.h"

namespace proa::build {
namespace {

using O = BuildOptions;
using Flags = cli::CommandBuilder<O>;

void input_flags(Flags& builder) {
  builder.positionals("[CONTEXT]", &O::positionals, 0, 1, cli::Complete::Directory)
      .value("tag,t", &O::tags, "Name of the image; may be repeated", "NAME")
      .value("file,f", &O::file, "The Containerfile; - reads it from stdin", "PATH", cli::Complete::File)
      .value("target", &O::target, "Stage to build", "STAGE")
      .value("build-arg", &O::build_args, "Value of an ARG: KEY=VALUE, or KEY from the environment", "KEY[=VALUE]")
      .value("build-arg-file", &O::build_arg_files, "File of KEY=VALUE lines for ARGs", "FILE", cli::Complete::File)
      .value("build-context", &O::contexts,
             "A further context for FROM, COPY --from and mounts: NAME=FOLDER, URL or docker-image://IMAGE",
             "NAME=CONTEXT")
      .value("ignorefile", &O::ignore_file, "Use this file in place of .containerignore", "PATH", cli::Complete::File)
      .value("secret", &O::secrets, "A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=VARIABLE",
             "SECRET")
      .value("ssh", &O::agents, "An ssh agent for RUN --mount=type=ssh: default or ID=SOCKET", "AGENT")
      .value("platform", &O::platforms, "Platform to build for; only this machine's", "OS/ARCH")
      .value("pull", &O::pull, "When to fetch base images: missing, always or never", "POLICY")
      .implicit("always")
      .flag("no-cache", &O::no_cache, "Do every step anew")
      .value("no-cache-filter", &O::no_cache_filters, "Do every step of a stage anew", "STAGE")
      .value("jobs", &O::jobs, "Stages at once; 0: as many as the machine can bear", "N")
      .flag("check", &O::check, "Look for mistakes in the Containerfile, build nothing")
      .value("call", &O::call, "What to do: build or check", "METHOD");
}

void run_flags(Flags& builder) {
  builder.value("network", &O::network, "Network of RUN: default, host or none", "MODE")
      .value("allow", &O::allowed, "Allow what a Containerfile may ask for: security.insecure", "ENTITLEMENT")
      .value("add-host", &O::hosts, "A line for /etc/hosts in RUN: NAME:ADDRESS", "HOST")
      .value("dns", &O::dns, "Name server for RUN", "ADDRESS")
      .value("dns-search", &O::dns_search, "Search domain for RUN", "DOMAIN")
      .value("dns-option", &O::dns_options, "Option of resolv.conf for RUN", "OPTION")
      .value("ulimit", &O::ulimits, "Limit of processes in RUN: NAME=SOFT[:HARD]", "LIMIT")
      .value("shm-size", &O::shm_size, "Size of /dev/shm in RUN", "SIZE")
      .value("cap-add", &O::cap_add, "Add a capability in RUN", "CAPABILITY")
      .value("cap-drop", &O::cap_drop, "Drop a capability in RUN", "CAPABILITY")
      .value("volume,v", &O::volumes, "Bind a folder into RUN: SOURCE:TARGET[:ro]", "VOLUME")
      .value("security-opt", &O::security, "seccomp=unconfined or seccomp=FILE for RUN", "OPTION")
      .flag("http-proxy", &O::http_proxy, "Pass the proxy variables of the environment to RUN")
      .value("isolation", &O::isolation, "Isolation of RUN: default, oci or rootless", "KIND");
}

void image_flags(Flags& builder) {
  builder.value("label", &O::labels, "Label of the image", "KEY=VALUE")
      .value("annotation", &O::annotations, "Annotation of the manifest", "KEY=VALUE")
      .value("env", &O::env, "Variable of the image: KEY=VALUE", "KEY[=VALUE]")
      .value("unsetenv", &O::unset_env, "Take a variable out of the image", "KEY")
      .value("unsetlabel", &O::unset_labels, "Take a label out of the image", "KEY")
      .value("format", &O::format, "Format of manifest and configuration: oci or docker", "FORMAT")
      .value("timestamp", &O::timestamp, "Seconds since 1970 for the image and all new files", "SECONDS")
      .value("source-date-epoch", &O::source_date_epoch, "Seconds since 1970 for the image; no new file is newer",
             "SECONDS")
      .flag("rewrite-timestamp", &O::rewrite_timestamp, "No new file is newer than the image (always so)")
      .flag("layers", &O::layers, "Keep a layer for each step; false: one layer for all of them")
      .flag("squash", &O::squash, "One layer for all new ones")
      .flag("omit-history", &O::omit_history, "Leave the history out of the image");
}

void output_flags(Flags& builder) {
  builder
      .value(
          "output,o", &O::outputs,
          "Where the result goes: FOLDER, - (a tar to stdout), or type=local|tar|oci|docker|image|registry,dest=PATH",
          "OUTPUT")
      .flag("push", &O::push, "Push the image to its names")
      .flag("load", &O::load, "Keep the image in the store (so unless --output says otherwise)")
      .value("iidfile", &O::iidfile, "Write the image's id to a file", "PATH", cli::Complete::File)
      .value("metadata-file", &O::metadata_file, "Write what was built to a JSON file", "PATH", cli::Complete::File)
      .value("progress", &O::progress, "How progress is shown: auto, plain, tty, rawjson or quiet", "MODE")
      .flag("quiet,q", &O::quiet, "Print the image's id only")
      .value("logfile", &O::logfile, "Write progress to a file", "PATH", cli::Complete::File)
      .value("root", &O::root, "Where images are kept", "PATH", cli::Complete::Directory)
      .value("runroot", &O::runroot, "Where running state is kept", "PATH", cli::Complete::Directory)
      .flag("rm", &O::rm, "Remove intermediate containers (there are none)")
      .flag("force-rm", &O::force_rm, "Remove intermediate containers (there are none)");
}

void registry_flags(Flags& builder) {
  auto pass = [&](const std::string& name, std::string help, const char* placeholder) {
    builder.custom(
        name,
        [name](O& options, const std::string& text) { options.registry_flags.push_back("--" + name + "=" + text); },
        std::move(help), placeholder);
  };
  pass("authfile", "Path of the file with credentials", "FILE");
  pass("creds", "Credentials for registries", "USER[:PASSWORD]");
  pass("cert-dir", "Folder of certificates for registries", "DIR");
  pass("tls-verify", "Require HTTPS and verify certificates", "");
}

// Accepted so that scripts work; there is nothing that they could change here.
void moot_flags(Flags& builder) {
  for (const char* name : {"compress", "disable-compression,D", "disable-content-trust", "skip-unused-stages", "stdin",
                           "identity-label", "inherit-labels", "inherit-annotations", "created-annotation",
                           "no-hostname", "no-hosts", "compat-volumes", "debug", "logsplit"}) {
    builder.flag(name, &O::moot, "Accepted for compatibility").hide_last();
  }
  for (const char* name : {"builder", "retry", "retry-delay", "cgroup-parent", "runtime", "runtime-flag", "hooks-dir",
                           "cache-ttl", "storage-opt"}) {
    builder.value(name, &O::moot_value, "Accepted for compatibility", "VALUE").hide_last();
  }
}

struct Refused {
  const char* name;
  const char* what_to_do;
};
constexpr const char* kLimits = "limits of resources are for containers; wrap the build in a scope that has them";
constexpr const char* kSupplyChain = "an image has no attestations of proa yet";
constexpr Refused kRefused[] = {
    {"cpu-period", kLimits},
    {"cpu-quota", kLimits},
    {"cpu-shares,c", kLimits},
    {"cpuset-cpus", kLimits},
    {"cpuset-mems", kLimits},
    {"memory,m", kLimits},
    {"memory-swap", kLimits},
    {"decryption-key", "layers are not decrypted here"},
    {"sign-by", "sign afterwards: `proa push --sign-by`"},
    {"cpp-flag", "run the preprocessor first"},
    {"cw", "images for confidential machines are not made here"},
    {"manifest", "build, then use `proa manifest add`"},
    {"from", "write it into the Containerfile, with an ARG"},
    {"sbom-scanner-command", kSupplyChain},
    {"sbom-scanner-image", kSupplyChain},
    {"device", "steps have the usual devices only"},
    {"userns-uid-map", "ids come from /etc/subuid"},
    {"userns-gid-map", "ids come from /etc/subgid"},
    {"group-add", "use USER in the Containerfile"},
};

void refused_flags(Flags& builder) {
  for (const Refused& flag : kRefused) {
    builder
        .custom(
            flag.name,
            [what = flag.what_to_do](O&, const std::string&) {
              throw Error(ErrorCode::Unsupported, "this flag is not supported", what);
            },
            "Not supported", "VALUE")
        .hide_last();
  }
  // What is private in every step; only that can be asked for.
  for (const char* name : {"ipc", "pid", "uts", "cgroupns", "userns"}) {
    builder
        .custom(
            name,
            [](O&, const std::string& text) {
              if (text.empty() || text == "private" || text == "container" || text == "auto") return;
              throw Error(ErrorCode::Unsupported, "steps have namespaces of their own");
            },
            "Only private", "MODE")
        .hide_last();
  }
  // What can be had from the store is found there anyway.
  for (const char* name : {"cache-from", "cache-to"}) {
    builder
        .custom(
            name,
            [](O&, const std::string& text) {
              parse_cache(text);
              throw Error(ErrorCode::Unsupported, "caches outside of the store are not supported");
            },
            "Not supported", "CACHE")
        .hide_last();
  }
  for (const char* name : {"provenance", "sbom", "attest"}) {
    builder
        .custom(
            name,
            [](O&, const std::string& text) {
              if (text == "false" || text == "disabled" || text.ends_with("disabled=true")) return;
              throw Error(ErrorCode::Unsupported, "this flag is not supported", kSupplyChain);
            },
            "Only false", "VALUE")
        .hide_last();
  }
}

}  // namespace

void declare_build_options(Flags& builder) {
  input_flags(builder);
  run_flags(builder);
  image_flags(builder);
  output_flags(builder);
  registry_flags(builder);
  moot_flags(builder);
  refused_flags(builder);
}

}  // namespace proa::build
