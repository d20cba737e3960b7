// The JSON library, compiled once. Its classes are templates with all their code in a header: without this, each source
// that knows them would compile the parser and the writer again. Everything that handles JSON values includes this
// header (checks/layering refuses the library's own), and reads and writes text through the functions here or the
// strict ones of libcommon/oci/json.h.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

// The parser behind the literal operator: an inline function, thus part of every source.
extern template nlohmann::json nlohmann::json::parse<const char*>(const char*, const char*, parser_callback_t, bool,
                                                                  bool);
extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace proa {

// Compact when `indent` is negative, else members on lines of their own. What is not UTF-8 appears as U+FFFD.
std::string json_text(const nlohmann::json& value, int indent = -1);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

// For texts of which a part is looked at, of programs that are trusted with the rest: a discarded value (is_discarded)
// when `text` is no JSON, and the last of equal keys.
nlohmann::json read_json(std::string_view text);
nlohmann::ordered_json read_ordered_json(std::string_view text);  // members stay in their order

}  // namespace proa
