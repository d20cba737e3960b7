#include "libcommon/network/mode.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::network {
namespace {

Mode user_mode(std::string_view options) {
  Mode mode;
  for (auto& option : split(options, ',')) {
    if (option.empty()) continue;
    if (option == "allow_host_loopback" || option == "allow_host_loopback=true" || option == "--map-gw") {
      mode.host_loopback = true;
    } else if (option.front() == '-') {
      mode.options.push_back(std::move(option));
    } else if (!mode.options.empty()) {
      mode.options.push_back(std::move(option));  // the value of the option before it: "--mtu,1500"
    } else {
      throw Error(ErrorCode::InvalidArgument, fmt::format("unknown network option '{}'", option),
                  "after `pasta:` give options of pasta(1), or allow_host_loopback");
    }
  }
  return mode;
}

}  // namespace

Mode parse_mode(std::string_view text) {
  Mode mode;
  if (text.empty() || text == "default" || text == "private" || text == "bridge" || text == "slirp4netns" ||
      text == "pasta") {
    return mode;
  }
  if (text == "none") {
    mode.kind = Mode::Kind::None;
    mode.text = "none";
    return mode;
  }
  if (text == "host") {
    mode.kind = Mode::Kind::Host;
    mode.text = "host";
    return mode;
  }
  if (text.starts_with("pasta:")) return user_mode(text.substr(6));
  if (text.starts_with("slirp4netns:")) return user_mode(text.substr(12));
  if (text.starts_with("container:") || text.starts_with("ns:")) {
    const auto [kind, rest] = *cut(text, ":");
    if (rest.empty()) throw Error(ErrorCode::InvalidArgument, fmt::format("nothing after '{}:' in --network", kind));
    mode.kind = Mode::Kind::Join;
    (kind == "ns" ? mode.path : mode.container) = rest;
    mode.text = text;
    return mode;
  }
  throw Error(ErrorCode::Unsupported, fmt::format("network '{}': named networks are not supported yet", text),
              "use --network pasta, none, host or container:NAME");
}

}  // namespace proa::network
