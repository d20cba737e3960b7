#include "libcommon/registry/session_pool.h"

namespace proa::registry {

std::shared_ptr<Session> SessionPool::get(const std::string& host, const SessionOptions& options) {
  const std::lock_guard lock(mutex_);
  for (const auto& known : known_) {
    if (known.host == host && known.options == options) return known.session;
  }
  auto session = std::make_shared<Session>(host, options);
  known_.push_back({.host = host, .options = options, .session = session});
  return session;
}

}  // namespace proa::registry
