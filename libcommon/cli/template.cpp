#include "libcommon/cli/template.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template_tree.h"

namespace proa::cli {
namespace {

using nlohmann::json;

const TemplateValue& null_value() {
  static const TemplateValue value = make_value(nullptr);
  return value;
}

// A part of a value, which keeps the whole alive.
TemplateValue part_of(const TemplateValue& whole, const json& part) { return TemplateValue(whole, &part); }

// Control characters could speak to the terminal; tab and line end are what templates put between values.
std::string safe_text(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    auto at = std::min(text.find_first_of("\t\n"), text.size());
    safe += escape_control(text.substr(0, at));
    if (at < text.size()) safe += text[at++];
    text.remove_prefix(at);
  }
  return safe;
}

enum class Flow { Next, Break, Continue };

class Evaluator {
 public:
  Evaluator(TemplateValue root, bool one_line) : root_(std::move(root)), one_line_(one_line) {
    variables_.push_back({"", root_});
  }

  std::string run(const TemplateList& nodes) {
    render_list(nodes, root_);
    return std::move(output_);
  }

 private:
  struct Variable {
    std::string name;
    TemplateValue value;
  };

  // Forgets the variables of a block at its end.
  class Scope {
   public:
    explicit Scope(std::vector<Variable>& variables) : variables_(variables), size_(variables.size()) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { variables_.resize(size_); }

   private:
    std::vector<Variable>& variables_;
    std::size_t size_;
  };

  void step() {
    if (++steps_ > kMaxTemplateSteps) throw Error(ErrorCode::LimitExceeded, "template: takes too many steps");
  }

  void print(std::string_view text) {
    if (output_.size() + text.size() > kMaxTemplateOutput)
      throw Error(ErrorCode::LimitExceeded, "template: prints more than 16 MiB");
    output_ += text;
  }

  std::string safe(const std::string& text) const { return one_line_ ? escape_control(text) : safe_text(text); }

  Flow render_list(const TemplateList& nodes, const TemplateValue& dot) {
    for (const auto& node : nodes) {
      Flow flow = render_node(node, dot);
      if (flow != Flow::Next) return flow;
    }
    return Flow::Next;
  }

  Flow render_node(const TemplateNode& node, const TemplateValue& dot) {
    step();
    switch (node.kind) {
      case TemplateNode::Kind::Text:
        print(node.text);
        return Flow::Next;
      case TemplateNode::Kind::Break:
        return Flow::Break;
      case TemplateNode::Kind::Continue:
        return Flow::Continue;
      case TemplateNode::Kind::Range:
        return render_range(node, dot);
      case TemplateNode::Kind::Action: {
        TemplateValue value = evaluate(node.pipeline, dot);
        if (node.pipeline.variables.empty()) print(safe(print_value(*value, "<no value>")));
        return Flow::Next;
      }
      case TemplateNode::Kind::If:
      case TemplateNode::Kind::With:
        break;
    }
    Scope scope(variables_);
    TemplateValue value = evaluate(node.pipeline, dot);
    if (!is_true(*value)) return render_list(node.otherwise, dot);
    return render_list(node.body, node.kind == TemplateNode::Kind::With ? value : dot);
  }

  Flow render_range(const TemplateNode& node, const TemplateValue& dot) {
    Scope scope(variables_);
    const auto& names = node.pipeline.variables;
    TemplateValue list = evaluate_commands(node.pipeline, dot);
    if (!list->is_null() && !list->is_structured()) template_error("range needs a list or an object");
    if (list->empty()) return render_list(node.otherwise, dot);
    std::int64_t index = 0;
    for (const auto& [key, element] : list->items()) {
      Scope turn(variables_);
      TemplateValue value = part_of(list, element);
      if (names.size() == 2) set_variable(names[0], list->is_array() ? make_value(index) : make_value(key), true);
      ++index;
      if (!names.empty()) set_variable(names.back(), value, true);
      if (render_list(node.body, value) == Flow::Break) break;
    }
    return Flow::Next;
  }

  TemplateValue evaluate_commands(const TemplatePipeline& pipeline, const TemplateValue& dot) {
    TemplateValue value;
    for (const auto& command : pipeline.commands) value = evaluate(command, dot, value);
    return value;
  }

  TemplateValue evaluate(const TemplatePipeline& pipeline, const TemplateValue& dot) {
    TemplateValue value = evaluate_commands(pipeline, dot);
    if (pipeline.variables.size() > 1) template_error("two variables are for range only");
    if (!pipeline.variables.empty()) set_variable(pipeline.variables[0], value, pipeline.declares);
    return value;
  }

  // `piped` is the value of the command before, and becomes the last argument.
  TemplateValue evaluate(const TemplateCommand& command, const TemplateValue& dot, const TemplateValue& piped) {
    const auto& first = command.operands[0];
    if (first.kind != TemplateOperand::Kind::Function) return look_up(evaluate(first, dot), command, dot);
    if (first.name == "and" || first.name == "or") return evaluate_logic(command, dot, piped);
    std::vector<TemplateValue> arguments;
    for (std::size_t i = 1; i < command.operands.size(); ++i) arguments.push_back(evaluate(command.operands[i], dot));
    if (piped) arguments.push_back(piped);
    return fields_of(call(first.name, arguments), first.fields);
  }

  // {{.Label "key"}}: methods of docker and podman that look something up are objects here.
  TemplateValue look_up(TemplateValue value, const TemplateCommand& command, const TemplateValue& dot) {
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      const TemplateValue key = evaluate(command.operands[i], dot);
      if (!value->is_object() || !key->is_string()) template_error("a value that is no function gets an argument");
      const auto found = value->find(key->get<std::string>());
      value = found == value->end() ? make_value("") : part_of(value, *found);
    }
    return value;
  }

  TemplateValue call(const std::string& name, const std::vector<TemplateValue>& arguments) {
    step();
    TemplateValue value = call_template_function(name, arguments);
    // What a function makes counts like output, so that joins of joins end.
    if (value->is_string()) {
      made_ += value->get_ref<const std::string&>().size();
      if (made_ > 4 * kMaxTemplateOutput)
        throw Error(ErrorCode::LimitExceeded, "template: makes more than 64 MiB of text");
    }
    return value;
  }

  TemplateValue evaluate_logic(const TemplateCommand& command, const TemplateValue& dot, const TemplateValue& piped) {
    bool stop_at = command.operands[0].name == "or";
    TemplateValue value;
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      value = evaluate(command.operands[i], dot);
      if (is_true(*value) == stop_at) return value;
    }
    if (piped) value = piped;
    if (!value) template_error(fmt::format("{} without a value", command.operands[0].name));
    return value;
  }

  TemplateValue evaluate(const TemplateOperand& operand, const TemplateValue& dot) {
    step();
    switch (operand.kind) {
      case TemplateOperand::Kind::Dot:
        return fields_of(dot, operand.fields);
      case TemplateOperand::Kind::Literal:
        return fields_of(operand.literal, operand.fields);
      case TemplateOperand::Kind::Pipeline:
        return fields_of(evaluate(*operand.pipeline, dot), operand.fields);
      case TemplateOperand::Kind::Function:
        return fields_of(call(operand.name, {}), operand.fields);
      case TemplateOperand::Kind::Variable:
        break;
    }
    auto found =
        std::find_if(variables_.rbegin(), variables_.rend(), [&](const Variable& v) { return v.name == operand.name; });
    if (found == variables_.rend()) template_error(fmt::format("undefined variable ${}", escape_control(operand.name)));
    return fields_of(found->value, operand.fields);
  }

  void set_variable(const std::string& name, const TemplateValue& value, bool declare) {
    if (declare) {
      variables_.push_back({name, value});
      return;
    }
    auto found =
        std::find_if(variables_.rbegin(), variables_.rend(), [&](const Variable& v) { return v.name == name; });
    if (found == variables_.rend()) template_error(fmt::format("undefined variable ${}", escape_control(name)));
    found->value = value;
  }

  TemplateValue fields_of(TemplateValue value, const std::vector<std::string>& fields) {
    for (const auto& field : fields) value = field_of(value, field);
    return value;
  }

  TemplateValue field_of(const TemplateValue& value, const std::string& field) {
    if (!value->is_object()) {
      template_error(fmt::format("\"{}\" is asked of {}, which has no fields", escape_control(field),
                                 value->is_null() ? "nothing" : "a " + std::string(value->type_name())));
    }
    if (auto found = value->find(field); found != value->end()) return part_of(value, *found);
    std::string lower = to_lower(field);
    for (const auto& [key, member] : value->items()) {
      if (to_lower(key) == lower) return part_of(value, member);
    }
    if (value.get() == root_.get()) missing_field(field);
    return null_value();
  }

  [[noreturn]] void missing_field(const std::string& field) const {
    std::vector<std::string> names;
    for (const auto& item : root_->items()) names.push_back(item.key());
    auto similar = nearest(field, names);
    throw Error(ErrorCode::InvalidArgument, fmt::format("template: there is no field \"{}\"", escape_control(field)),
                similar ? fmt::format("did you mean .{}?", *similar) : "known fields: " + join(names, ", "));
  }

  TemplateValue root_;
  bool one_line_;
  std::vector<Variable> variables_;
  std::string output_;
  std::size_t steps_ = 0;
  std::size_t made_ = 0;
};

void collect_root_fields(const TemplatePipeline& pipeline, std::vector<std::string>& names) {
  for (const auto& command : pipeline.commands) {
    for (const auto& operand : command.operands) {
      if (operand.pipeline) collect_root_fields(*operand.pipeline, names);
      bool of_root = operand.kind == TemplateOperand::Kind::Dot ||
                     (operand.kind == TemplateOperand::Kind::Variable && operand.name.empty());
      if (of_root && !operand.fields.empty()) names.push_back(operand.fields[0]);
    }
  }
}

}  // namespace

TemplateValue make_value(json value) { return std::make_shared<const json>(std::move(value)); }

Template Template::parse(std::string_view text) {
  return Template(std::make_shared<const TemplateTree>(parse_template(text)));
}

std::string Template::render(const json& value, bool one_line) const {
  // Refers to the caller's value, which outlives the evaluator.
  return Evaluator(TemplateValue(TemplateValue(), &value), one_line).run(tree_->nodes);
}

bool Template::ranges_over_root() const {
  if (tree_->nodes.empty() || tree_->nodes[0].kind != TemplateNode::Kind::Range) return false;
  const auto& commands = tree_->nodes[0].pipeline.commands;
  const auto& operand = commands[0].operands[0];
  return commands.size() == 1 && operand.kind == TemplateOperand::Kind::Dot && operand.fields.empty();
}

std::vector<std::string> Template::root_fields() const {
  std::vector<std::string> names;
  for (const auto& node : tree_->nodes) {
    collect_root_fields(node.pipeline, names);
    // Inside of range and with the dot is another value.
    if (node.kind != TemplateNode::Kind::If) continue;
    for (const auto* list : {&node.body, &node.otherwise}) {
      for (const auto& inner : *list) collect_root_fields(inner.pipeline, names);
    }
  }
  return names;
}

std::string render(std::string_view template_text, const json& value) {
  return Template::parse(template_text).render(value);
}

}  // namespace proa::cli
