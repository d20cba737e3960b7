// --format: Go's text/template over JSON values, as docker and podman have it.
//
// Known: text, {{.Field.Sub}}, $variables, pipelines, parentheses, if/else/else if, range/else, with, break, continue,
// comments, {{- and -}}, and the functions and or not eq ne lt le gt ge len index slice print println printf json join
// split lower upper title pad truncate. Not known: define, template, block, call.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace proa::cli {

inline constexpr int kMaxTemplateDepth = 100;               // of nested actions and parentheses
inline constexpr std::size_t kMaxTemplateSize = 64 * 1024;  // of the template's text
inline constexpr std::size_t kMaxTemplateOutput = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxTemplateSteps = 5'000'000;  // evaluated nodes of one rendering

struct TemplateTree;

class Template {
 public:
  // InvalidArgument, with the place, when it is no template. "\t" and "\n" outside of actions are a tab and a line's
  // end.
  static Template parse(std::string_view text);

  // Field names are looked up as written, else without regard to case. A member that is missing in the root value is an
  // error; deeper down it is "<no value>". Control characters of values (but not tab and line end) are escaped: they
  // may be an image's. InvalidArgument: a function cannot do what is asked; LimitExceeded: a ceiling.
  std::string render(const nlohmann::json& value, bool one_line = false) const;

  // True for "{{range .}}...": the whole list is its value, where other templates are rendered for each element.
  bool ranges_over_root() const;

  // Names of the fields of the root value that occur in it, in order of appearance: the columns of a table.
  std::vector<std::string> root_fields() const;

 private:
  explicit Template(std::shared_ptr<const TemplateTree> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const TemplateTree> tree_;
};

std::string render(std::string_view template_text, const nlohmann::json& value);

}  // namespace proa::cli
