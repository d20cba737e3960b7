// The client's side of a monitor: waiting until it is ready, and being the container's terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/os/unique_fd.h"
#include "tools/run/engine/containers.h"
#include "tools/run/monitor/protocol.h"

namespace proa::engine {

// Reads up to kReady or kFailure; notes are printed. nullopt: it is ready.
std::optional<monitor::Failure> wait_ready(int socket);

struct AttachOptions {
  bool input = false;
  bool output = true;
  bool terminal = false;  // of the container
  bool sig_proxy = true;
  std::string detach_keys = "ctrl-p,ctrl-q";
};

struct AttachResult {
  bool detached = false;
  bool lost = false;  // the monitor went away without a word
  int exit_code = 0;
};
// Until the container ends, or the user types the detach keys.
AttachResult attach(int socket, const AttachOptions& options);

// A connection to a container's monitor, with a first record sent. nullopt: there is none, or it says goodbye just now:
// then the container's records are complete.
std::optional<os::UniqueFd> ask_monitor(const Containers& containers, const std::string& id, std::string_view record);

// "ctrl-p,ctrl-q" -> "\x10\x11"; "" switches detaching off. InvalidArgument when malformed.
std::string parse_detach_keys(std::string_view text);

// Finds a sequence of keys in typed bytes, also when it comes in pieces.
class KeyMatcher {
 public:
  explicit KeyMatcher(std::string keys) : keys_(std::move(keys)) {}
  // The bytes to pass on; sets matched().
  std::string feed(std::string_view typed);
  bool matched() const { return matched_; }

 private:
  std::string keys_;
  std::size_t at_ = 0;
  bool matched_ = false;
};

}  // namespace proa::engine
