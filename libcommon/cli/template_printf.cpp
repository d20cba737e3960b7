#include <fmt/core.h>

#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template_tree.h"

namespace proa::cli {
namespace {

using nlohmann::json;

// Bounds what "%999999999d" can make.
constexpr int kMaxWidth = 1024;

struct Verb {
  bool left = false, plus = false, zero = false, space = false, alternate = false;
  int width = 0;
  int precision = -1;
  char letter = 0;
};

int take_number(std::string_view& rest) {
  int number = 0;
  while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
    number = number * 10 + (rest[0] - '0');
    rest.remove_prefix(1);
    if (number > kMaxWidth) template_error(fmt::format("printf: a width above {}", kMaxWidth));
  }
  return number;
}

// What stands after '%'.
Verb take_verb(std::string_view& rest) {
  Verb verb;
  for (; !rest.empty() && std::string_view("-+0 #").find(rest[0]) != std::string_view::npos; rest.remove_prefix(1)) {
    verb.left = verb.left || rest[0] == '-';
    verb.plus = verb.plus || rest[0] == '+';
    verb.zero = verb.zero || rest[0] == '0';
    verb.space = verb.space || rest[0] == ' ';
    verb.alternate = verb.alternate || rest[0] == '#';
  }
  verb.width = take_number(rest);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    verb.precision = take_number(rest);
  }
  if (rest.empty()) template_error("printf: the format ends in the middle of a verb");
  verb.letter = rest[0];
  rest.remove_prefix(1);
  return verb;
}

std::string fill(const Verb& verb, std::string text, bool number) {
  auto length = count_characters(text);
  auto width = static_cast<std::size_t>(verb.width);
  if (length >= width) return text;
  std::string padding(width - length, number && verb.zero && !verb.left ? '0' : ' ');
  if (verb.left) return text + padding;
  std::size_t at = padding[0] == '0' && (text.starts_with('-') || text.starts_with('+')) ? 1 : 0;
  return text.insert(at, padding);
}

std::string format_whole(const Verb& verb, const json& value) {
  bool negative = value.is_number_integer() && !value.is_number_unsigned() && value.get<std::int64_t>() < 0;
  std::uint64_t size =
      negative ? 0 - static_cast<std::uint64_t>(value.get<std::int64_t>()) : value.get<std::uint64_t>();
  std::string digits = verb.letter == 'x'   ? fmt::format("{:x}", size)
                       : verb.letter == 'X' ? fmt::format("{:X}", size)
                       : verb.letter == 'o' ? fmt::format("{:o}", size)
                       : verb.letter == 'b' ? fmt::format("{:b}", size)
                                            : std::to_string(size);
  if (verb.alternate && (verb.letter == 'x' || verb.letter == 'X')) digits.insert(0, verb.letter == 'x' ? "0x" : "0X");
  return fill(verb, (negative ? "-" : verb.plus ? "+" : verb.space ? " " : "") + digits, true);
}

std::string format_real(const Verb& verb, double value) {
  int precision = verb.precision < 0 ? 6 : verb.precision;
  std::string text = verb.letter == 'e'                         ? fmt::format("{:.{}e}", value, precision)
                     : verb.letter == 'f' || verb.letter == 'F' ? fmt::format("{:.{}f}", value, precision)
                     : verb.precision < 0                       ? print_value(json(value), "")
                                                                : fmt::format("{:.{}g}", value, precision);
  return fill(verb, (verb.plus && value >= 0 ? "+" : "") + text, true);
}

std::string cut_to(const Verb& verb, std::string text) {
  if (verb.precision < 0) return text;
  std::size_t at = 0;
  for (int count = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && ++count > verb.precision) break;
  }
  return text.substr(0, at);
}

std::string format_one(const Verb& verb, const json& value) {
  switch (verb.letter) {
    case 'd':
    case 'o':
    case 'b':
      if (value.is_number_integer()) return format_whole(verb, value);
      break;
    case 'x':
    case 'X':
      if (value.is_number_integer()) return format_whole(verb, value);
      if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        std::string hex = to_hex(text.data(), text.size());
        return fill(verb, verb.letter == 'X' ? to_upper(hex) : hex, false);
      }
      break;
    case 'e':
    case 'f':
    case 'F':
    case 'g':
      if (value.is_number()) return format_real(verb, value.get<double>());
      break;
    case 'q':
      if (value.is_string()) return fill(verb, json_text(value), false);
      break;
    case 't':
      if (value.is_boolean()) return fill(verb, print_value(value, ""), false);
      break;
    case 's':
    case 'v':
      return fill(verb, cut_to(verb, print_value(value, "<nil>")), value.is_number());
    default:
      break;
  }
  // As Go shows a verb that does not fit its value.
  return fmt::format("%!{}({}={})", verb.letter, value.is_number_integer() ? "int" : value.type_name(),
                     print_value(value, "<nil>"));
}

}  // namespace

std::string format_values(std::string_view format, const std::vector<TemplateValue>& arguments) {
  std::string text;
  std::size_t next = 0;
  while (true) {
    auto percent = std::min(format.find('%'), format.size());
    text += format.substr(0, percent);
    if (percent == format.size()) break;
    format.remove_prefix(percent + 1);
    Verb verb = take_verb(format);
    if (verb.letter == '%') {
      text += '%';
    } else if (next < arguments.size()) {
      text += format_one(verb, *arguments[next++]);
    } else {
      text += fmt::format("%!{}(MISSING)", verb.letter);
    }
  }
  if (next < arguments.size()) template_error("printf: more values than verbs");
  return text;
}

}  // namespace proa::cli
