// The text of /etc/hosts, /etc/hostname and /etc/resolv.conf of a container. Pure; bytes that would break a line are
// refused.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proa::runtime {

struct HostsEntry {
  std::string address;
  std::vector<std::string> names;
};
// `base`: the host's file or empty. localhost lines are added when missing.
std::string hosts_text(const std::vector<HostsEntry>& entries, std::string_view base = {});
std::string hostname_text(std::string_view hostname);
struct ResolvConf {
  std::vector<std::string> nameservers, search, options;
};
ResolvConf parse_resolv_conf(std::string_view text);
std::string resolv_conf_text(const ResolvConf& conf);

}  // namespace proa::runtime
