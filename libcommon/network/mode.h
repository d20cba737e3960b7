// --network: which network a container has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::network {

struct Mode {
  enum class Kind {
    None,  // loopback only
    Host,  // the caller's
    User,  // a stack of its own behind pasta: out as the user, in by published ports only
    Join,  // that of another container or of a path
  };
  Kind kind = Kind::User;
  std::string container;             // Join: name or id
  std::string path;                  // Join: a namespace file
  bool host_loopback = false;        // User: the gateway's address reaches services on the host's 127.0.0.1
  std::vector<std::string> options;  // User: handed to pasta as they are
  std::string text = "pasta";        // as listings show it
};

// "none", "host", "pasta[:OPTION,...]", "container:ID", "ns:PATH", and what means the default for peers ("", "default",
// "private", "bridge", "slirp4netns"). `allow_host_loopback` among the options opens the host's loopback. Names of
// networks throw Unsupported, other texts InvalidArgument.
Mode parse_mode(std::string_view text);

}  // namespace proa::network
