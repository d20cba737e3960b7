#include "libcommon/cli/table.h"

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template.h"

namespace proa::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kMinWidth = 10;  // with the padding
constexpr std::size_t kPadding = 3;

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::string pretty(const json& value) { return json_text(value, 4) + "\n"; }

std::string header_of(const Listing& listing, const std::string& field) {
  auto found = listing.headers.find(field);
  if (found != listing.headers.end()) return found->second;
  // "CreatedSince" -> "CREATED SINCE", "RepoTags" -> "REPO TAGS", "ID" -> "ID".
  std::string words;
  for (std::size_t i = 0; i < field.size(); ++i) {
    bool upper = field[i] >= 'A' && field[i] <= 'Z';
    bool after_lower = i > 0 && field[i - 1] >= 'a' && field[i - 1] <= 'z';
    if (upper && after_lower) words += ' ';
    words += field[i];
  }
  return to_upper(words);
}

std::string header_row(const Listing& listing, const Template& row) {
  json names = json::object();
  for (const auto& field : row.root_fields()) names[field] = header_of(listing, field);
  try {
    return row.render(names);
  } catch (const Error&) {
    // The template does with its fields what header words do not allow (len, index, ...): there is no header then.
    return "";
  }
}

std::string format_table(const Listing& listing, std::string_view text, const json& rows, bool headers) {
  Template row = Template::parse(text);
  std::vector<std::vector<std::string>> lines;
  if (headers) {
    std::string header = header_row(listing, row);
    if (!header.empty()) lines.push_back(split(header, '\t'));
  }
  for (const auto& value : rows) lines.push_back(split(row.render(value, true), '\t'));
  return align_columns(lines);
}

// The escapes that a shell's quotes leave as they are.
std::string unescape_format(std::string_view text) { return replace_all(replace_all(text, "\\t", "\t"), "\\n", "\n"); }

}  // namespace

std::string align_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> safe;
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    auto& cells = safe.emplace_back();
    for (const auto& cell : row) cells.push_back(escape_control(cell));
    widths.resize(std::max(widths.size(), cells.size()), kMinWidth);
    for (std::size_t i = 0; i + 1 < cells.size(); ++i)
      widths[i] = std::max(widths[i], count_characters(cells[i]) + kPadding);
  }
  std::string text;
  for (const auto& cells : safe) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - count_characters(cells[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string format_listing(const Listing& listing, std::string_view format, const json& rows, bool headers) {
  PROA_CHECK(rows.is_array());
  std::string wanted(trim(format));
  if (wanted.empty() || wanted == "table") wanted = listing.default_format;
  if (wanted == "json") return pretty(rows);
  if (wanted.starts_with("table ") || wanted.starts_with("table\t")) {
    return format_table(listing, trim(unescape_format(std::string_view(wanted).substr(6))), rows, headers);
  }
  Template row = Template::parse(wanted);
  if (row.ranges_over_root()) return row.render(rows);
  std::string text;
  for (const auto& value : rows) {
    text += row.render(value);
    if (!text.ends_with('\n')) text += '\n';
  }
  return text;
}

std::string format_inspect(std::string_view format, const json& objects) {
  if (format.empty() || format == "json") return pretty(objects);
  Template one = Template::parse(format);
  std::string text;
  for (const auto& object : objects) text += one.render(object) + "\n";
  return text;
}

std::string ellipsis(std::string_view text, std::size_t width) {
  if (count_characters(text) <= width || width == 0) return std::string(text);
  std::size_t at = 0;
  for (std::size_t count = 0; at < text.size(); ++at) {
    if (starts_character(text[at]) && count++ == width - 1) break;
  }
  return std::string(text.substr(0, at)) + "\xe2\x80\xa6";
}

}  // namespace proa::cli
