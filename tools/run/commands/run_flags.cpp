#include "tools/run/commands/run_flags.h"

#include "tools/run/commands/common.h"

namespace proa::commands {
namespace {

using Options = engine::RunOptions;
using cli::Complete;

void add_process_flags(RunBuilder& b) {
  b.flag("interactive,i", &Options::interactive, "Keep stdin open")
      .flag("tty,t", &Options::tty, "Give the command a terminal")
      .value("attach,a", &Options::attach, "Attach to stdin, stdout or stderr only", "STREAM")
      .flag("sig-proxy", &Options::sig_proxy, "Pass signals on to the command (default true)")
      .value("detach-keys", &Options::detach_keys, "Keys that leave the container running", "KEYS")
      .value("entrypoint", &Options::entrypoint, "Run this instead of the image's entrypoint", "COMMAND")
      .value("workdir,w", &Options::workdir, "Working directory inside", "DIR")
      .value("user,u", &Options::user, "User, and group after a colon: names or numbers", "USER[:GROUP]")
      .value("group-add", &Options::group_add, "Further group of the user", "GROUP")
      .value("umask", &Options::umask, "File mode mask of the command", "MODE")
      .value("env,e", &Options::env, "Set a variable, or take it from here", "NAME[=VALUE]")
      .value("env-file", &Options::env_file, "Read variables from a file", "FILE", Complete::File)
      .value("env-merge", &Options::env_merge, "Set a variable; ${NAME} is what it was", "NAME=VALUE")
      .value("unsetenv", &Options::unsetenv, "Take a variable of the image away", "NAME")
      .flag("unsetenv-all", &Options::unsetenv_all, "Take all variables of the image away")
      .value("tz", &Options::tz, "Time zone, or local", "ZONE")
      .value("preserve-fds", &Options::preserve_fds, "Pass on so many descriptors from 3 on", "NUMBER")
      .flag("env-host", &Options::env_host, "Take all variables from here")
      .flag("http-proxy", &Options::http_proxy, "Take the proxy variables from here (default true)")
      .flag("init", &Options::init, "Run a small init that reaps processes and passes signals on")
      .value("stop-signal", &Options::stop_signal, "Signal of `stop`", "SIGNAL")
      .value("stop-timeout", &Options::stop_timeout, "Seconds before `stop` kills", "SECONDS")
      .value("timeout", &Options::timeout, "Seconds after which it is killed (default 0: never)", "SECONDS");
}

void add_record_flags(RunBuilder& b) {
  b.value("name", &Options::name, "Name of the container", "NAME")
      .flag("replace", &Options::replace, "Remove the container that has the name")
      .flag("rm", &Options::rm, "Remove the container when it ends")
      .flag("rmi", &Options::rmi, "Remove the container and its image when it ends")
      .value("requires", &Options::required, "Containers that are started first", "CONTAINER[,...]",
             Complete::Container)
      .value("restart", &Options::restart, "no, on-failure[:MAX], always or unless-stopped", "POLICY")
      .value("label,l", &Options::label, "Label of the container", "NAME[=VALUE]")
      .value("label-file", &Options::label_file, "Read labels from a file", "FILE", Complete::File)
      .value("annotation", &Options::annotation, "Annotation in the runtime's specification", "NAME=VALUE")
      .value("cidfile", &Options::cidfile, "Write the container's id to a new file", "FILE", Complete::File)
      .value("pidfile", &Options::pidfile, "Write the process id to a file", "FILE", Complete::File)
      .value("log-driver", &Options::log_driver, "k8s-file, json-file or none", "DRIVER")
      .value("log-opt", &Options::log_opt, "Option of the log: max-size=, max-file=, tag=", "NAME=VALUE")
      .value("pull", &Options::pull, "missing, always, never or newer", "POLICY")
      .flag("quiet,q", &Options::quiet, "No progress of a pull")
      .value("platform", &Options::platform, "Platform of the image", "OS/ARCH")
      .value("arch", &Options::arch, "Architecture of the image", "ARCH")
      .value("os", &Options::os, "Operating system of the image", "OS")
      .value("variant", &Options::variant, "Variant of the architecture", "VARIANT")
      .value("authfile", &Options::authfile, "Credentials for a pull", "FILE", Complete::File)
      .flag("tls-verify", &Options::tls_verify, "Check the registry's certificate")
      .value("runtime", &Options::runtime, "An OCI runtime instead of the built-in one: crun, runc or a path", "NAME");
}

void add_network_flags(RunBuilder& b) {
  b.value("network", &Options::network, "pasta, none, host, container:NAME or ns:PATH", "NETWORK")
      .value("net", &Options::network, "The same", "NETWORK")
      .hide_last()
      .value("publish,p", &Options::publish, "Publish a port of the container", "[[IP:]PORT:]PORT[/PROTOCOL]")
      .flag("publish-all,P", &Options::publish_all, "Publish all exposed ports on free ports")
      .value("expose", &Options::expose, "Port that -P publishes", "PORT[/PROTOCOL]")
      .value("hostname,h", &Options::hostname, "Host name inside", "NAME")
      .value("domainname", &Options::domainname, "NIS domain name inside", "NAME")
      .value("add-host", &Options::add_host, "Line of /etc/hosts", "NAME:ADDRESS")
      .value("dns", &Options::dns, "Name server", "ADDRESS")
      .value("dns-search", &Options::dns_search, "Search domain", "DOMAIN")
      .value("dns-option", &Options::dns_option, "Option of resolv.conf", "OPTION")
      .value("dns-opt", &Options::dns_option, "Option of resolv.conf", "OPTION")
      .hide_last()
      .flag("no-hosts", &Options::no_hosts, "Leave the image's /etc/hosts")
      .flag("no-hostname", &Options::no_hostname, "Leave the image's /etc/hostname");
}

void add_file_flags(RunBuilder& b) {
  b.value("volume,v", &Options::volume, "Mount a folder of the host or a volume", "[SOURCE:]TARGET[:OPTIONS]",
          Complete::Directory)
      .value("mount", &Options::mount, "Mount, in the long form", "type=TYPE,source=...,target=...")
      .value("tmpfs", &Options::tmpfs, "Mount a file system in memory", "TARGET[:OPTIONS]")
      .value("volumes-from", &Options::volumes_from, "The binds and volumes of another container",
             "CONTAINER[:OPTIONS]", Complete::Container)
      .value("volume-driver", &Options::volume_driver, "Driver of new volumes: local", "DRIVER")
      .value("image-volume", &Options::image_volume, "Volumes of the image: anonymous, tmpfs or ignore", "MODE")
      .flag("read-only", &Options::read_only, "Make the root file system read-only")
      .flag("read-only-tmpfs", &Options::read_only_tmpfs,
            "With --read-only: memory on /tmp, /run, /var/tmp (default true)")
      .value("shm-size", &Options::shm_size, "Size of /dev/shm", "SIZE")
      .value("device", &Options::device, "Device of the host", "PATH[:TARGET][:ACCESS]", Complete::File)
      .value("secret", &Options::secret, "File below /run/secrets, or a variable", "NAME[,OPTION=VALUE...]")
      .value("device-cgroup-rule", &Options::device_cgroup_rule, "Rule for devices", "RULE");
}

void add_security_flags(RunBuilder& b) {
  b.flag("privileged", &Options::privileged, "All capabilities and devices that you have, no filters")
      .value("cap-add", &Options::cap_add, "Add a capability", "NAME")
      .value("cap-drop", &Options::cap_drop, "Drop a capability", "NAME")
      .value("security-opt", &Options::security_opt, "no-new-privileges, seccomp=, apparmor=, mask=, unmask=", "OPTION")
      .value("sysctl", &Options::sysctl, "Kernel parameter of the container's namespaces", "NAME=VALUE")
      .value("oom-score-adj", &Options::oom_score_adj, "How likely the kernel ends it when memory is short", "NUMBER")
      .value("ulimit", &Options::ulimit, "Resource limit", "NAME=SOFT[:HARD]")
      .value("userns", &Options::userns, "host or keep-id[:uid=,gid=,size=]", "MODE")
      .value("uidmap", &Options::uidmap, "Map of user ids", "INSIDE:OURS:COUNT")
      .value("gidmap", &Options::gidmap, "Map of group ids", "INSIDE:OURS:COUNT")
      .value("pid", &Options::pid, "private, host, container:NAME or ns:PATH", "MODE")
      .value("ipc", &Options::ipc, "private, host, container:NAME or ns:PATH", "MODE")
      .value("uts", &Options::uts, "private, host, container:NAME or ns:PATH", "MODE")
      .value("cgroups", &Options::cgroups, "enabled, or disabled for no cgroup of its own", "MODE")
      .value("cgroupns", &Options::cgroupns, "private or host", "MODE");
}

void add_health_flags(RunBuilder& b) {
  struct HealthFlag {
    const char *name, *help, *placeholder;
  };
  static constexpr HealthFlag kFlags[] = {
      {"health-cmd", "Command that tells whether it is healthy; none for none", "COMMAND"},
      {"health-interval", "Time between two checks (default 30s), or disable", "DURATION"},
      {"health-timeout", "Time after which a check has failed (default 30s)", "DURATION"},
      {"health-retries", "Failures until it is unhealthy (default 3)", "NUMBER"},
      {"health-start-period", "Time in which failures do not count", "DURATION"},
      {"health-start-interval", "Time between two checks in that time", "DURATION"},
      {"health-on-failure", "What is done then: none, kill, restart or stop", "ACTION"},
      {"health-max-log-count", "Results that are kept (default 5, 0: all)", "NUMBER"},
      {"health-max-log-size", "Bytes of output that are kept (default 500, 0: all)", "NUMBER"},
      {"health-log-destination", "local", "PLACE"},
      {"health-startup-cmd", "Check that has to succeed before the others begin", "COMMAND"},
      {"health-startup-interval", "Time between two start-up checks (default 30s)", "DURATION"},
      {"health-startup-timeout", "Time after which a start-up check has failed (default 30s)", "DURATION"},
      {"health-startup-retries", "Failures after which it is started again (default 0: never)", "NUMBER"},
      {"health-startup-success", "Successes that it takes (default 1)", "NUMBER"},
  };
  for (const auto& flag : kFlags) {
    b.custom(
        flag.name, [name = flag.name](Options& o, const std::string& value) { o.health[name] = value; }, flag.help,
        flag.placeholder);
  }
  b.flag("no-healthcheck", &Options::no_healthcheck, "No health check, also where the image has one");
}

// Understood and without effect, because what they ask for is how things are.
void add_fulfilled_flags(RunBuilder& b) {
  const auto check = [](Options&, const std::string& value) { (void)cli::parse_bool(value); };
  b.custom("disable-content-trust", check, "Docker's content trust is not used", "")
      .hide_last()
      .custom(
          "systemd",
          [](Options&, const std::string& value) {
            if (value == "always") not_supported("systemd=always", "an init of the image runs as it is");
          },
          "Containers get no special treatment for systemd", "MODE")
      .hide_last()
      .custom(
          "init-path", [](Options&, const std::string&) {}, "The init of --init is ours", "PATH")
      .hide_last()
      .custom(
          "retry", [](Options&, const std::string&) {}, "Pulls are tried again anyway", "NUMBER")
      .hide_last()
      .custom(
          "retry-delay", [](Options&, const std::string&) {}, "Pulls wait between tries anyway", "DURATION")
      .hide_last()
      .custom("passwd", check, "The image's passwd is used as it is", "")
      .hide_last();
}

}  // namespace

void add_limit_flags(RunBuilder& b) {
  b.value("memory,m", &Options::memory, "Memory limit", "SIZE")
      .value("memory-swap", &Options::memory_swap, "Limit of memory and swap together, -1 for none", "SIZE")
      .value("memory-reservation", &Options::memory_reservation, "Memory that is kept when it is short", "SIZE")
      .value("cpus", &Options::cpus, "Processors' worth of time", "NUMBER")
      .value("cpu-shares,c", &Options::cpu_shares, "Weight against others", "NUMBER")
      .value("cpu-period", &Options::cpu_period, "Period of the limit in microseconds", "NUMBER")
      .value("cpu-quota", &Options::cpu_quota, "Time in each period in microseconds", "NUMBER")
      .value("cpuset-cpus", &Options::cpuset_cpus, "Processors to run on", "LIST")
      .value("cpuset-mems", &Options::cpuset_mems, "Memory nodes to use", "LIST")
      .value("blkio-weight", &Options::blkio_weight, "Weight of block I/O against others, 10 to 1000", "NUMBER")
      .value("pids-limit", &Options::pids_limit, "Largest number of processes", "NUMBER");
}

void add_container_flags(RunBuilder& b) {
  add_process_flags(b);
  add_record_flags(b);
  add_network_flags(b);
  add_file_flags(b);
  add_security_flags(b);
  add_limit_flags(b);
  add_health_flags(b);
  add_refused_flags(b);
  add_fulfilled_flags(b);
}

}  // namespace proa::commands
