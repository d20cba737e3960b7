#include "libcommon/spec/csv.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::spec {
namespace {

[[noreturn]] void refuse_csv(std::string_view text, std::string_view what, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid {} \"{}\": {}", what, escape_control(text), reason));
}

// Takes a quoted field; the opening quote is gone already.
std::string take_quoted(std::string_view& rest, std::string_view text, std::string_view what) {
  std::string field;
  while (true) {
    auto quote = rest.find('"');
    if (quote == std::string_view::npos) refuse_csv(text, what, "a quote is not closed");
    field += rest.substr(0, quote);
    rest.remove_prefix(quote + 1);
    if (!rest.starts_with('"')) break;
    field += '"';
    rest.remove_prefix(1);
  }
  if (!rest.empty() && rest.front() != ',') refuse_csv(text, what, "text after a closing quote");
  return field;
}

}  // namespace

std::vector<std::string> split_csv(std::string_view text, std::string_view what) {
  if (text.empty()) refuse_csv(text, what, "empty");
  std::vector<std::string> fields;
  std::string_view rest = text;
  while (true) {
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      fields.push_back(take_quoted(rest, text, what));
    } else {
      fields.emplace_back(rest.substr(0, rest.find(',')));
      if (fields.back().find('"') != std::string::npos) refuse_csv(text, what, "a quote inside of an unquoted field");
      rest.remove_prefix(fields.back().size());
    }
    if (rest.empty()) return fields;
    rest.remove_prefix(1);
  }
}

}  // namespace proa::spec
