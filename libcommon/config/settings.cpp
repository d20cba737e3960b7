#include "libcommon/config/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/toml.h"

namespace proa::config {
namespace {

constexpr std::uint64_t kMaxSettings = 1 << 20;
constexpr const char* kMachineFile = "/etc/proa/proa.toml";

[[noreturn]] void refuse(std::string_view file, const toml::node& node, std::string_view reason,
                         std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", file, node.source().begin.line, reason),
              std::move(hint));
}

// One table of the file against the keys we know there.
class Section {
 public:
  Section(const toml::table& table, std::string_view file, std::string prefix)
      : table_(table), file_(file), prefix_(std::move(prefix)) {}

  void text(std::string_view key, std::string& target) {
    const toml::node* node = take(key);
    if (!node) return;
    auto value = node->value_exact<std::string>();
    if (!value) refuse(file_, *node, fmt::format("{}{} is not a text", prefix_, key));
    target = *value;
  }

  void number(std::string_view key, std::optional<int>& target, int least) {
    const toml::node* node = take(key);
    if (!node) return;
    auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > std::numeric_limits<int>::max()) {
      refuse(file_, *node, fmt::format("{}{} is not a whole number from {}", prefix_, key, least));
    }
    target = static_cast<int>(*value);
  }

  const toml::table* table(std::string_view key) {
    const toml::node* node = take(key);
    if (!node) return nullptr;
    if (!node->is_table()) refuse(file_, *node, fmt::format("{}{} is not a section", prefix_, key));
    return node->as_table();
  }

  // A key that was not asked for is a mistake, which would else do nothing without a word.
  void refuse_others() const {
    for (const auto& [key, node] : table_) {
      std::string name(key.str());
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      auto similar = nearest(name, known_);
      refuse(file_, node, fmt::format("unknown setting \"{}{}\"", prefix_, escape_control(name)),
             similar ? fmt::format("did you mean {}{}?", prefix_, *similar) : "known here: " + join(known_, ", "));
    }
  }

 private:
  const toml::node* take(std::string_view key) {
    known_.emplace_back(key);
    return table_.get(key);
  }

  const toml::table& table_;
  std::string_view file_;
  std::string prefix_;
  std::vector<std::string> known_;
};

void apply(std::string_view text, std::string_view name, Settings& settings) {
  const toml::table root = parse_toml(text, name);
  Section top(root, name, "");
  top.text("log_level", settings.log_level);
  if (const auto* table = top.table("run")) {
    Section run(*table, name, "run.");
    run.text("runtime", settings.runtime);
    run.text("network", settings.network);
    run.number("stop_timeout", settings.stop_timeout, 0);
    run.refuse_others();
  }
  if (const auto* table = top.table("copy")) {
    Section copy(*table, name, "copy.");
    copy.number("jobs", settings.jobs, 1);
    copy.refuse_others();
  }
  top.refuse_others();
}

void apply_file(const os::Path& path, Settings& settings) {
  if (!os::exists(path)) return;
  auto fd = os::open_regular(path, kMaxSettings);
  apply(os::read_fd(fd.get(), kMaxSettings, path), path, settings);
}

}  // namespace

Settings parse_settings(std::string_view text, std::string_view name) {
  Settings settings;
  apply(text, name, settings);
  return settings;
}

Settings load_settings(const Paths& paths) {
  Settings settings;
  os::Path of_user = os::join(paths.config, "proa.toml");
  apply_file(kMachineFile, settings);
  if (of_user != kMachineFile) apply_file(of_user, settings);
  return settings;
}

}  // namespace proa::config
