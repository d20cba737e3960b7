// `run` and `create` as typed: every flag one field, nothing interpreted yet.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace proa::engine {

struct RunOptions {
  std::vector<std::string> words;  // IMAGE [COMMAND [ARG...]]

  bool detach = false, interactive = false, tty = false, rm = false, quiet = false, replace = false;
  std::vector<std::string> attach;
  std::optional<std::string> name, cidfile, pidfile;
  bool sig_proxy = true;
  std::optional<std::string> detach_keys;
  std::string pull = "missing";
  std::optional<std::string> platform, arch, os, variant;
  std::optional<bool> tls_verify;
  std::optional<std::string> authfile;

  std::optional<std::string> entrypoint, user, workdir, hostname, umask;
  std::vector<std::string> env, env_file, env_merge, unsetenv;
  bool unsetenv_all = false;
  std::optional<std::string> tz, domainname;
  bool env_host = false, http_proxy = true, init = false;
  std::vector<std::string> label, label_file, annotation;

  std::vector<std::string> network, publish, expose, add_host, dns, dns_search, dns_option;
  bool publish_all = false, no_hosts = false, no_hostname = false;

  std::vector<std::string> volume, mount, tmpfs, device, volumes_from, secret;
  std::optional<std::string> image_volume, volume_driver;
  bool read_only = false;
  std::optional<bool> read_only_tmpfs;
  std::optional<std::string> shm_size;

  bool privileged = false;
  std::vector<std::string> cap_add, cap_drop, security_opt, group_add, sysctl, ulimit, device_cgroup_rule;
  std::vector<std::string> uidmap, gidmap;
  std::optional<std::string> userns, pid, ipc, uts, cgroupns, cgroups;

  std::optional<std::string> memory, memory_swap, memory_reservation, cpus, cpuset_cpus, cpuset_mems;
  std::optional<long long> pids_limit, cpu_shares, cpu_period, cpu_quota, blkio_weight;
  std::optional<int> oom_score_adj;

  std::map<std::string, std::string> health;  // by the name of the flag, --health-*
  bool no_healthcheck = false;
  int timeout = 0;
  bool rmi = false;
  int preserve_fds = 0;
  std::vector<std::string> required;  // --requires
  std::optional<std::string> sdnotify;

  std::string log_driver;
  std::vector<std::string> log_opt;
  std::optional<std::string> stop_signal, restart, runtime;
  std::optional<int> stop_timeout;
};

}  // namespace proa::engine
