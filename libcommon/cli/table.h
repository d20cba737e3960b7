// Listings: aligned columns, templates for each row, JSON.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace proa::cli {

// Columns at least 10 characters wide with the gap of 3 between them, as docker prints them. Rows may differ in length;
// the last cell of a row is not padded. Control characters of cells, line ends too, are escaped.
std::string align_columns(const std::vector<std::vector<std::string>>& rows);

// What a listing command (ps, images, volume ls, ...) offers for --format.
struct Listing {
  std::string default_format;  // "table {{.ID}}\t{{.Image}}"
  // Header words of fields where they differ from the field's name in capitals: {"ID", "CONTAINER ID"}.
  std::map<std::string, std::string> headers;
};

// The text of `rows`, an array of objects. `format` is what the user gave:
//   "" or "table"      the default format
//   "table TEMPLATE"   a header and aligned columns, parted by \t (written as two characters or one)
//   "json"             one array
//   TEMPLATE           once for each row, a line each; "{{range .}}..." once for the whole array
// `headers` false leaves the header out (--noheading).
std::string format_listing(const Listing& listing, std::string_view format, const nlohmann::json& rows,
                           bool headers = true);

// Of inspect: "" or "json" prints the array, anything else is a template for each of the objects.
std::string format_inspect(std::string_view format, const nlohmann::json& objects);

// The first `width` characters of a text, with "…" where it was cut; UTF-8 stays whole.
std::string ellipsis(std::string_view text, std::size_t width);

}  // namespace proa::cli
