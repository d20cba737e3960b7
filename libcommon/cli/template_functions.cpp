#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template_tree.h"

namespace proa::cli {
namespace {

using nlohmann::json;
using Arguments = std::vector<TemplateValue>;

// pad and printf take widths from the template; no table is wider.
constexpr std::int64_t kMaxPad = 1024;

std::string text_of(const json& value, std::string_view function) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  template_error(fmt::format("{} needs a text, not a {}", function, value.type_name()));
}

std::int64_t whole_of(const json& value, std::string_view function) {
  if (!value.is_number_integer())
    template_error(fmt::format("{} needs a whole number, not a {}", function, value.type_name()));
  return value.get<std::int64_t>();
}

// Numbers compare with numbers, texts with texts; nil with everything, being equal to itself alone.
bool comparable(const json& a, const json& b) {
  return (a.is_number() && b.is_number()) || a.type() == b.type() || a.is_null() || b.is_null();
}

json equal(const Arguments& arguments) {
  if (arguments.size() < 2) template_error("eq needs two values");
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (!comparable(*arguments[0], *arguments[i]) || arguments[0]->is_structured())
      template_error("eq of values that do not compare");
    if (*arguments[0] == *arguments[i]) return true;
  }
  return false;
}

bool less(const Arguments& arguments) {
  if (arguments.size() != 2) template_error("a comparison needs two values");
  const json& a = *arguments[0];
  const json& b = *arguments[1];
  if (!(a.is_number() && b.is_number()) && !(a.is_string() && b.is_string()))
    template_error("an order needs two numbers or two texts");
  return a < b;
}

json length(const json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  if (value.is_structured()) return value.size();
  template_error(fmt::format("len of a {}", value.type_name()));
}

TemplateValue index_once(const TemplateValue& value, const json& key) {
  if (value->is_array()) {
    std::int64_t at = whole_of(key, "index");
    if (at < 0 || static_cast<std::size_t>(at) >= value->size())
      template_error(fmt::format("index {} is out of range", at));
    return TemplateValue(value, &(*value)[static_cast<std::size_t>(at)]);
  }
  if (!value->is_object()) template_error(fmt::format("index of a {}", value->type_name()));
  auto found = value->find(text_of(key, "index"));
  if (found != value->end()) return TemplateValue(value, &*found);
  // A map of texts, such as labels, has empty ones for keys it lacks.
  bool of_texts = std::all_of(value->begin(), value->end(), [](const json& member) { return member.is_string(); });
  return make_value(of_texts ? json("") : json());
}

TemplateValue index(const Arguments& arguments) {
  if (arguments.empty()) template_error("index needs a value");
  TemplateValue value = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (value->is_null()) template_error("index of nothing");
    value = index_once(value, *arguments[i]);
  }
  return value;
}

json slice(const Arguments& arguments) {
  if (arguments.empty() || arguments.size() > 3) template_error("slice needs a value and up to two positions");
  const json& value = *arguments[0];
  std::int64_t size = length(value).get<std::int64_t>();
  std::int64_t from = arguments.size() > 1 ? whole_of(*arguments[1], "slice") : 0;
  std::int64_t to = arguments.size() > 2 ? whole_of(*arguments[2], "slice") : size;
  if (from < 0 || to < from || to > size) template_error(fmt::format("slice {}:{} is out of range", from, to));
  if (value.is_string())
    return value.get_ref<const std::string&>().substr(static_cast<std::size_t>(from),
                                                      static_cast<std::size_t>(to - from));
  if (!value.is_array()) template_error("slice of an object");
  return json(json::array_t(value.begin() + from, value.begin() + to));
}

json join_list(const Arguments& arguments) {
  if (arguments.size() != 2) template_error("join needs a list and a separator");
  std::vector<std::string> parts;
  if (!arguments[0]->is_null() && !arguments[0]->is_array()) template_error("join of what is no list");
  for (const auto& element : *arguments[0]) parts.push_back(print_value(element, "<nil>"));
  return join(parts, text_of(*arguments[1], "join"));
}

json split_text(const Arguments& arguments) {
  if (arguments.size() != 2) template_error("split needs a text and a separator");
  std::string text = text_of(*arguments[0], "split");
  std::string separator = text_of(*arguments[1], "split");
  if (separator.empty()) template_error("split needs a separator");
  json parts = json::array();
  std::string_view rest = text;
  while (auto at = cut(rest, separator)) {
    parts.push_back(at->first);
    rest = at->second;
  }
  parts.push_back(rest);
  return parts;
}

std::string title(std::string text) {
  bool start = true;
  for (char& c : text) {
    if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    start = c == ' ' || c == '\t' || c == '\n' || c == '-' || c == '/' || c == '.' || c == ':';
  }
  return text;
}

json pad(const Arguments& arguments) {
  if (arguments.size() != 3) template_error("pad needs a text and two widths");
  std::string text = text_of(*arguments[0], "pad");
  std::int64_t before = whole_of(*arguments[1], "pad");
  std::int64_t after = whole_of(*arguments[2], "pad");
  if (before < 0 || after < 0 || before > kMaxPad || after > kMaxPad) template_error("pad: the width is out of range");
  if (text.empty()) return text;
  return std::string(static_cast<std::size_t>(before), ' ') + text + std::string(static_cast<std::size_t>(after), ' ');
}

json truncate(const Arguments& arguments) {
  if (arguments.size() != 2) template_error("truncate needs a text and a length");
  std::string text = text_of(*arguments[0], "truncate");
  std::int64_t size = whole_of(*arguments[1], "truncate");
  if (size < 0) template_error("truncate: the length is negative");
  return text.substr(0, static_cast<std::size_t>(size));
}

// Go's fmt.Sprint puts spaces between operands when neither is a text; Sprintln always, and ends the line.
std::string print_all(const Arguments& arguments, bool line) {
  std::string text;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    bool both_plain = i > 0 && !arguments[i]->is_string() && !arguments[i - 1]->is_string();
    if (i > 0 && (line || both_plain)) text += ' ';
    text += print_value(*arguments[i], "<nil>");
  }
  return line ? text + "\n" : text;
}

std::string dump(const json& value) { return json_text(value); }

const json& only(const Arguments& arguments, std::string_view function) {
  if (arguments.size() != 1) template_error(fmt::format("{} needs one value", function));
  return *arguments[0];
}

json printf(const Arguments& arguments) {
  if (arguments.empty()) template_error("printf needs a format");
  return format_values(text_of(*arguments[0], "printf"), Arguments(arguments.begin() + 1, arguments.end()));
}

struct Function {
  std::string_view name;
  json (*call)(const Arguments&);
};

const Function kFunctions[] = {
    {"not", [](const Arguments& a) { return json(!is_true(only(a, "not"))); }},
    {"eq", equal},
    {"ne", [](const Arguments& a) { return json(!equal(a).get<bool>()); }},
    {"lt", [](const Arguments& a) { return json(less(a)); }},
    {"ge", [](const Arguments& a) { return json(!less(a)); }},
    {"gt", [](const Arguments& a) { return json(less(Arguments(a.rbegin(), a.rend()))); }},
    {"le", [](const Arguments& a) { return json(!less(Arguments(a.rbegin(), a.rend()))); }},
    {"len", [](const Arguments& a) { return length(only(a, "len")); }},
    {"slice", slice},
    {"print", [](const Arguments& a) { return json(print_all(a, false)); }},
    {"println", [](const Arguments& a) { return json(print_all(a, true)); }},
    {"printf", printf},
    {"json", [](const Arguments& a) { return json(dump(only(a, "json"))); }},
    {"join", join_list},
    {"split", split_text},
    {"lower", [](const Arguments& a) { return json(to_lower(text_of(only(a, "lower"), "lower"))); }},
    {"upper", [](const Arguments& a) { return json(to_upper(text_of(only(a, "upper"), "upper"))); }},
    {"title", [](const Arguments& a) { return json(title(text_of(only(a, "title"), "title"))); }},
    {"pad", pad},
    {"truncate", truncate},
};

// Go's %v of a float64: shortest digits that read back the same, exponents below -4 and from 21 on.
std::string print_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  double size = std::fabs(value);
  // fmt takes to exponents at 1e16 already.
  return size >= 1e16 && size < 1e21 ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

void append_value(const json& value, std::string_view null_text, std::string& text) {
  if (value.is_null()) {
    text += null_text;
  } else if (value.is_string()) {
    text += value.get_ref<const std::string&>();
  } else if (value.is_number_float()) {
    text += print_real(value.get<double>());
  } else if (!value.is_structured()) {
    text += dump(value);
  } else {
    text += value.is_array() ? "[" : "map[";
    const char* gap = "";
    for (auto member = value.begin(); member != value.end(); ++member) {
      text += gap;
      gap = " ";
      if (value.is_object()) text.append(member.key()).append(":");
      append_value(*member, "<nil>", text);
    }
    text += "]";
  }
}

}  // namespace

bool is_template_function(std::string_view name) {
  return name == "and" || name == "or" || name == "index" ||
         std::any_of(std::begin(kFunctions), std::end(kFunctions),
                     [&](const Function& known) { return known.name == name; });
}

TemplateValue call_template_function(std::string_view name, const Arguments& arguments) {
  if (name == "index") return index(arguments);
  for (const auto& function : kFunctions) {
    if (function.name == name) return make_value(function.call(arguments));
  }
  template_error(fmt::format("unknown function \"{}\"", escape_control(name)));
}

bool is_true(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string print_value(const json& value, std::string_view null_text) {
  std::string text;
  append_value(value, null_text, text);
  return text;
}

}  // namespace proa::cli
