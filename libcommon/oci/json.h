// JSON from outside, read strictly: what two readers could understand differently is refused.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::oci {

inline constexpr int kMaxJsonDepth = 100;

// One JSON value and nothing after it. Throws Corrupt on a syntax error, text that is not UTF-8, a key that occurs
// twice in one object and nesting deeper than kMaxJsonDepth; LimitExceeded above `max_size` bytes. `what` names the
// document in messages: "manifest".
nlohmann::json parse_json(std::string_view text, std::string_view what, std::uint64_t max_size);

// Compact text with sorted keys: equal values give equal bytes.
std::string dump_json(const nlohmann::json& value);

// An object of a document, with getters that name the field in their errors: "manifest: layers[3].size: not a whole
// number". Keys are case-sensitive. A member that is null counts as absent, as the tools that write it mean it. All
// errors are Corrupt. Refers to the document, which must outlive it.
class JsonObject {
 public:
  // Throws when `value` is no object. `path` says where it is: "manifest".
  JsonObject(const nlohmann::json& value, std::string path);

  const std::string& path() const { return path_; }
  const nlohmann::json& value() const { return *value_; }
  // True also for null.
  bool has_key(std::string_view key) const;
  const nlohmann::json* find(std::string_view key) const;  // nullptr when absent or null

  std::string require_string(std::string_view key) const;
  std::uint64_t require_size(std::string_view key) const;  // a whole number from 0 to 2^63-1; null is refused
  std::int64_t require_integer(std::string_view key) const;
  JsonObject require_object(std::string_view key) const;
  std::vector<JsonObject> require_objects(
      std::string_view key) const;  // an array of objects; null is an empty one, absent an error

  std::optional<std::string> string(std::string_view key) const;
  std::string string_or_empty(std::string_view key) const { return string(key).value_or(std::string()); }
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<JsonObject> object(std::string_view key) const;
  std::vector<JsonObject> objects(std::string_view key) const;  // empty when absent
  std::optional<std::vector<std::string>> strings(std::string_view key) const;
  std::vector<std::string> strings_or_empty(std::string_view key) const;
  std::map<std::string, std::string> string_map(std::string_view key) const;  // empty when absent; null values are ""
  std::vector<std::string> keys_of(std::string_view key) const;  // keys of an object member, empty when absent

  // Refuses keys that differ from one of `known` only in case: other readers would take them for it.
  void refuse_lookalikes(const std::vector<std::string_view>& known) const;
  [[noreturn]] void fail(std::string_view key, std::string_view problem) const;

 private:
  std::string path_of(std::string_view key) const;

  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace proa::oci
