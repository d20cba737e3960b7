// What a template's text becomes, and what evaluates it. Private to cli/template*.cpp.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace proa::cli {

// A value, or a part of one that lives in the same document; never null.
using TemplateValue = std::shared_ptr<const nlohmann::json>;

struct TemplatePipeline;

struct TemplateOperand {
  enum class Kind { Dot, Variable, Function, Literal, Pipeline } kind = Kind::Dot;
  std::string name;                            // Variable (without $) or Function
  TemplateValue literal;                       // Literal; "nil" is the JSON null
  std::shared_ptr<TemplatePipeline> pipeline;  // Pipeline: what stood in parentheses
  std::vector<std::string> fields;             // .a.b after it
};

// A function with arguments, or one operand.
struct TemplateCommand {
  std::vector<TemplateOperand> operands;
};

struct TemplatePipeline {
  std::vector<std::string> variables;  // $x := ..., $i, $x := ...
  bool declares = false;               // := rather than =
  std::vector<TemplateCommand> commands;
};

struct TemplateNode;
using TemplateList = std::vector<TemplateNode>;

struct TemplateNode {
  enum class Kind { Text, Action, If, Range, With, Break, Continue } kind = Kind::Text;
  std::string text;
  TemplatePipeline pipeline;
  TemplateList body, otherwise;
};

struct TemplateTree {
  TemplateList nodes;
};

TemplateTree parse_template(std::string_view text);

// Calls a function other than `and` and `or`, which the evaluator does itself since they stop early.
TemplateValue call_template_function(std::string_view name, const std::vector<TemplateValue>& arguments);
bool is_template_function(std::string_view name);

bool is_true(const nlohmann::json& value);
// As {{.}} prints it: arrays as [a b], objects as map[k:v], null as `null_text`.
std::string print_value(const nlohmann::json& value, std::string_view null_text);
TemplateValue make_value(nlohmann::json value);
// printf with Go's verbs.
std::string format_values(std::string_view format, const std::vector<TemplateValue>& arguments);

[[noreturn]] void template_error(std::string message);

}  // namespace proa::cli
