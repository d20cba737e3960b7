// Secrets: `secrets/<name>/{secret.json,data}`, readable by their owner only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/config/paths.h"
#include "tools/run/engine/record.h"

namespace proa::engine {

inline constexpr std::uint64_t kMaxSecret = 512000;  // as podman and docker have it

struct Secret {
  std::string id, name, created, updated;
  std::map<std::string, std::string> labels;
};

class Secrets {
 public:
  explicit Secrets(const config::Paths& paths) : root_(os::join(paths.data, "secrets")) {}

  std::vector<Secret> list() const;
  // By name, id or unique beginning of an id.
  std::optional<Secret> find(std::string_view text) const;
  Secret get(std::string_view text) const;  // NotFound: "no such secret: x"
  std::string data(const Secret& secret) const;
  enum class Existing { Refuse, Replace, Keep };
  Secret create(const std::string& name, std::string_view data, const std::map<std::string, std::string>& labels,
                Existing existing) const;
  void remove(const Secret& secret) const;

 private:
  os::Path root_;
};

// --secret NAME[,type=mount|env][,target=T][,uid=N][,gid=N][,mode=OCTAL]; InvalidArgument.
SecretNote parse_secret_option(const std::string& text);

}  // namespace proa::engine
