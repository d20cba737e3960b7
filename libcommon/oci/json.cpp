#include "libcommon/oci/json.h"

#include <fmt/core.h>

#include <limits>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"

namespace proa::oci {
namespace {

using nlohmann::json;

// Builds the document from parser events: the library's own builder takes the last of several equal keys and any depth.
class StrictBuilder final : public nlohmann::json_sax<json> {
 public:
  explicit StrictBuilder(std::string_view what) : what_(what) {}

  json take() && { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto [at, inserted] = stack_.back()->emplace(name, nullptr);
    if (!inserted) {
      throw Error(ErrorCode::Corrupt, fmt::format("{}: key \"{}\" occurs twice", what_, escape_control(name)));
    }
    slot_ = &*at;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw Error(ErrorCode::Corrupt, fmt::format("{}: not valid JSON (near byte {})", what_, position));
  }

 private:
  // Where the next value goes: an array's end, the member whose key came last, or the root.
  json* place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& top = *stack_.back();
    if (top.is_array()) {
      top.push_back(std::move(value));
      return &top.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool add(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (stack_.size() >= kMaxJsonDepth) {
      throw Error(ErrorCode::Corrupt, fmt::format("{}: nested deeper than {} levels", what_, kMaxJsonDepth));
    }
    // Pointers on the stack stay valid: an element of an array that is still open is always its last one.
    stack_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string_view what_;
  json root_;
  std::vector<json*> stack_;
  json* slot_ = nullptr;
};

bool fits_integer(const json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() ||
          value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view what, std::uint64_t max_size) {
  if (text.size() > max_size) {
    throw Error(ErrorCode::LimitExceeded,
                fmt::format("{}: {} bytes are more than the {} allowed", what, text.size(), max_size));
  }
  // The lexer ends quietly at a NUL byte or a byte order mark; neither belongs into JSON.
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xef\xbb\xbf")) {
    throw Error(ErrorCode::Corrupt, fmt::format("{}: not valid JSON", what));
  }
  StrictBuilder builder(what);
  json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).take();
}

std::string dump_json(const nlohmann::json& value) {
  try {
    return value.dump();
  } catch (const json::exception&) {
    throw Error(ErrorCode::InvalidArgument, "text that is not UTF-8 cannot be written as JSON");
  }
}

JsonObject::JsonObject(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {
  if (!value.is_object()) throw Error(ErrorCode::Corrupt, path_ + ": not an object");
}

std::string JsonObject::path_of(std::string_view key) const {
  return fmt::format("{}{}{}", path_, path_.find(": ") == std::string::npos ? ": " : ".", key);
}

void JsonObject::fail(std::string_view key, std::string_view problem) const {
  throw Error(ErrorCode::Corrupt, fmt::format("{}: {}", path_of(key), problem));
}

bool JsonObject::has_key(std::string_view key) const { return value_->find(key) != value_->end(); }

const nlohmann::json* JsonObject::find(std::string_view key) const {
  auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

std::string JsonObject::require_string(std::string_view key) const {
  auto text = string(key);
  if (!text) fail(key, "missing");
  return *text;
}

std::int64_t JsonObject::require_integer(std::string_view key) const {
  auto number = integer(key);
  if (!number) fail(key, "missing");
  return *number;
}

std::uint64_t JsonObject::require_size(std::string_view key) const {
  std::int64_t number = require_integer(key);
  if (number < 0) fail(key, "negative");
  return static_cast<std::uint64_t>(number);
}

JsonObject JsonObject::require_object(std::string_view key) const {
  auto member = object(key);
  if (!member) fail(key, "missing");
  return *member;
}

std::vector<JsonObject> JsonObject::require_objects(std::string_view key) const {
  if (!has_key(key)) fail(key, "missing");
  return objects(key);
}

std::optional<std::string> JsonObject::string(std::string_view key) const {
  const json* member = find(key);
  if (!member) return std::nullopt;
  if (!member->is_string()) fail(key, "not a text");
  return member->get<std::string>();
}

std::optional<bool> JsonObject::boolean(std::string_view key) const {
  const json* member = find(key);
  if (!member) return std::nullopt;
  if (!member->is_boolean()) fail(key, "neither true nor false");
  return member->get<bool>();
}

std::optional<std::int64_t> JsonObject::integer(std::string_view key) const {
  const json* member = find(key);
  if (!member) return std::nullopt;
  if (!fits_integer(*member)) fail(key, "not a whole number of 64 bits");
  return member->get<std::int64_t>();
}

std::optional<JsonObject> JsonObject::object(std::string_view key) const {
  const json* member = find(key);
  if (!member) return std::nullopt;
  return JsonObject(*member, path_of(key));
}

std::vector<JsonObject> JsonObject::objects(std::string_view key) const {
  std::vector<JsonObject> list;
  const json* member = find(key);
  if (!member) return list;
  if (!member->is_array()) fail(key, "not an array");
  for (const auto& element : *member) list.emplace_back(element, fmt::format("{}[{}]", path_of(key), list.size()));
  return list;
}

std::optional<std::vector<std::string>> JsonObject::strings(std::string_view key) const {
  const json* member = find(key);
  if (!member) return std::nullopt;
  if (!member->is_array()) fail(key, "not an array");
  std::vector<std::string> list;
  for (const auto& element : *member) {
    if (!element.is_string()) fail(fmt::format("{}[{}]", key, list.size()), "not a text");
    list.push_back(element.get<std::string>());
  }
  return list;
}

std::vector<std::string> JsonObject::strings_or_empty(std::string_view key) const {
  return strings(key).value_or(std::vector<std::string>());
}

std::map<std::string, std::string> JsonObject::string_map(std::string_view key) const {
  std::map<std::string, std::string> map;
  const json* member = find(key);
  if (!member) return map;
  if (!member->is_object()) fail(key, "not an object");
  for (const auto& [name, element] : member->items()) {
    if (!element.is_string() && !element.is_null()) {
      fail(fmt::format("{}.{}", key, escape_control(name)), "not a text");
    }
    map.emplace(name, element.is_null() ? std::string() : element.get<std::string>());
  }
  return map;
}

std::vector<std::string> JsonObject::keys_of(std::string_view key) const {
  std::vector<std::string> keys;
  const json* member = find(key);
  if (!member) return keys;
  if (!member->is_object()) fail(key, "not an object");
  for (const auto& item : member->items()) keys.push_back(item.key());
  return keys;
}

void JsonObject::refuse_lookalikes(const std::vector<std::string_view>& known) const {
  for (const auto& item : value_->items()) {
    for (std::string_view name : known) {
      if (item.key() != name && to_lower(item.key()) == to_lower(name)) {
        fail(escape_control(item.key()), fmt::format("readers could take it for \"{}\"", name));
      }
    }
  }
}

}  // namespace proa::oci
