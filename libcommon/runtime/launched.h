// The inside of Launched, for the two functions that make one.
#pragma once

#include "libcommon/runtime/channel.h"

namespace proa::runtime {

struct Launched::Channel {
  MessageSocket socket;
  std::string program = {};  // that the command was found to be
  std::optional<os::Child> owner_recorder = {};
};

}  // namespace proa::runtime
