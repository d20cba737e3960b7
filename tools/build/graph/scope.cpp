#include "tools/build/graph/scope.h"

#include <algorithm>

#include "libcommon/base/strings.h"

namespace proa::build {
namespace {

bool is_proxy(const std::string& key) {
  std::string upper = to_upper(key);
  return upper == "HTTP_PROXY" || upper == "HTTPS_PROXY" || upper == "FTP_PROXY" || upper == "NO_PROXY" ||
         upper == "ALL_PROXY";
}

}  // namespace

const std::string* BuildArgs::use(const std::string& key) {
  auto found = values_.find(key);
  if (found == values_.end()) return nullptr;
  used_.insert(key);
  return &found->second;
}

std::vector<std::string> BuildArgs::unused() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : values_) {
    if (!used_.contains(key) && !is_proxy(key)) keys.push_back(key);
  }
  return keys;
}

void Scope::declare(const Arg& arg, const std::vector<std::string>& env) {
  for (const ArgItem& item : arg.items) {
    if (const std::string* given = build_args_.use(item.key)) {
      declared_[item.key] = *given;
    } else if (item.value) {
      declared_[item.key] = expand_word(*item.value, env);
    } else if (auto global = global_args_.find(item.key); global != global_args_.end()) {
      declared_[item.key] = global->second;
    } else if (auto platform = platform_args_.find(item.key); platform != platform_args_.end()) {
      declared_[item.key] = platform->second;
    }
  }
}

Variables Scope::variables(const std::vector<std::string>& env) const {
  Variables result = declared_;
  for (const std::string& entry : env) {
    if (auto pair = cut(entry, "=")) result[std::string(pair->first)] = pair->second;
  }
  return result;
}

std::string Scope::expand_word(std::string_view word, const std::vector<std::string>& env) const {
  return expand(word, variables(env), options_).text;
}

std::vector<std::string> Scope::expand_words(std::string_view word, const std::vector<std::string>& env) const {
  return expand(word, variables(env), options_).words;
}

std::string Scope::expand_content(std::string_view content, const std::vector<std::string>& env) const {
  ExpandOptions options;
  options.keep_quotes = true;
  return expand(content, variables(env), options).text;
}

std::vector<std::string> Scope::arguments() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : declared_) result.push_back(key + "=" + value);
  return result;
}

std::vector<std::string> Scope::proxies() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : build_args_.values()) {
    if (is_proxy(key)) result.push_back(key + "=" + value);
  }
  return result;
}

void set_env(std::vector<std::string>& env, const std::string& key, const std::string& value) {
  for (std::string& entry : env) {
    if (entry.substr(0, entry.find('=')) == key) {
      entry = key + "=" + value;
      return;
    }
  }
  env.push_back(key + "=" + value);
}

}  // namespace proa::build
