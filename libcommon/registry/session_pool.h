// The sessions of one run: who speaks with a registry again need not ask again how to reach it, nor for a token.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libcommon/registry/session.h"

namespace proa::registry {

// Thread-safe.
class SessionPool {
 public:
  // The session with these very options, made on first use.
  std::shared_ptr<Session> get(const std::string& host, const SessionOptions& options);

 private:
  struct Known {
    std::string host;
    SessionOptions options;
    std::shared_ptr<Session> session;
  };
  std::mutex mutex_;
  std::vector<Known> known_;
};

}  // namespace proa::registry
