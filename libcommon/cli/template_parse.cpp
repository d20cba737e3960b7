#include <fmt/core.h>

#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template.h"
#include "libcommon/cli/template_lexer.h"
#include "libcommon/cli/template_tree.h"

namespace proa::cli {
namespace {

using Token = TemplateToken;

class Nesting {
 public:
  explicit Nesting(int& depth) : depth_(depth) {
    if (++depth_ > kMaxTemplateDepth)
      throw Error(ErrorCode::LimitExceeded, fmt::format("template: nested deeper than {} levels", kMaxTemplateDepth));
  }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { --depth_; }

 private:
  int& depth_;
};

// The pipeline of one action.
class PipelineParser {
 public:
  explicit PipelineParser(std::string_view text) : lexer_(text) { advance(); }

  TemplatePipeline parse_whole() {
    TemplatePipeline pipeline = parse_pipeline();
    if (token_.kind != Token::Kind::End) template_error("unexpected text at the end of an action");
    return pipeline;
  }

 private:
  void advance() {
    if (ahead_) {
      token_ = std::move(*ahead_);
      ahead_.reset();
    } else {
      token_ = lexer_.next();
    }
  }
  const Token& peek() {
    if (!ahead_) ahead_ = lexer_.next();
    return *ahead_;
  }

  TemplatePipeline parse_pipeline() {
    Nesting nesting(depth_);
    TemplatePipeline pipeline;
    if (token_.kind == Token::Kind::Variable &&
        (peek().kind == Token::Kind::Declare || peek().kind == Token::Kind::Assign ||
         peek().kind == Token::Kind::Comma)) {
      parse_variables(pipeline);
    }
    pipeline.commands.push_back(parse_command());
    while (token_.kind == Token::Kind::Pipe) {
      advance();
      pipeline.commands.push_back(parse_command());
      if (pipeline.commands.back().operands[0].kind != TemplateOperand::Kind::Function) {
        template_error("what stands after \"|\" is not a function");
      }
    }
    return pipeline;
  }

  void parse_variables(TemplatePipeline& pipeline) {
    pipeline.variables.push_back(token_.text);
    advance();
    if (token_.kind == Token::Kind::Comma) {
      advance();
      if (token_.kind != Token::Kind::Variable) template_error("no variable after \",\"");
      pipeline.variables.push_back(token_.text);
      advance();
    }
    pipeline.declares = token_.kind == Token::Kind::Declare;
    if (!pipeline.declares && token_.kind != Token::Kind::Assign) template_error("no \":=\" after a variable");
    advance();
  }

  TemplateCommand parse_command() {
    TemplateCommand command;
    while (starts_operand()) {
      if (!command.operands.empty() && !token_.space_before) template_error("two values without a space between them");
      command.operands.push_back(parse_operand());
    }
    if (command.operands.empty()) template_error("a value is missing in an action");
    const auto& first = command.operands[0];
    const bool function = first.kind == TemplateOperand::Kind::Function;
    // A field may be a method of the peers, such as .Label.
    const bool method = !first.fields.empty() && command.operands.size() == 2;
    if (!function && !method && command.operands.size() > 1) {
      template_error("a value that is not a function has arguments");
    }
    return command;
  }

  bool starts_operand() const {
    using K = Token::Kind;
    return token_.kind == K::Field || token_.kind == K::Dot || token_.kind == K::Variable || token_.kind == K::Word ||
           token_.kind == K::Literal || token_.kind == K::Open;
  }

  TemplateOperand parse_operand() {
    using K = TemplateOperand::Kind;
    TemplateOperand operand;
    if (token_.kind == Token::Kind::Field) {
      operand.fields.push_back(token_.text);
    } else if (token_.kind == Token::Kind::Variable) {
      operand.kind = K::Variable;
      operand.name = token_.text;
    } else if (token_.kind == Token::Kind::Literal) {
      operand.kind = K::Literal;
      operand.literal = token_.literal;
    } else if (token_.kind == Token::Kind::Word) {
      parse_word(operand);
    } else if (token_.kind == Token::Kind::Open) {
      operand.kind = K::Pipeline;
      advance();
      operand.pipeline = std::make_shared<TemplatePipeline>(parse_pipeline());
      if (token_.kind != Token::Kind::Close) template_error("a parenthesis is not closed");
    }
    advance();
    while (token_.kind == Token::Kind::Field && !token_.space_before) {
      operand.fields.push_back(token_.text);
      advance();
    }
    return operand;
  }

  void parse_word(TemplateOperand& operand) {
    operand.kind = TemplateOperand::Kind::Literal;
    if (token_.text == "true" || token_.text == "false") {
      operand.literal = make_value(token_.text == "true");
    } else if (token_.text == "nil") {
      operand.literal = make_value(nullptr);
    } else {
      operand.kind = TemplateOperand::Kind::Function;
      operand.name = token_.text;
      if (!is_template_function(token_.text))
        template_error(fmt::format("unknown function \"{}\"", escape_control(token_.text)));
    }
  }

  TemplateLexer lexer_;
  Token token_;
  std::optional<Token> ahead_;
  int depth_ = 0;
};

// Text and actions in turn; if, range and with open lists that "end" closes.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  TemplateList parse_all() {
    Stop stop;
    TemplateList nodes = parse_list(stop);
    if (stop.kind != Stop::Kind::Text) template_error(fmt::format("\"{}\" without if, range or with", stop.word));
    return nodes;
  }

 private:
  // Why a list ended.
  struct Stop {
    enum class Kind { Text, End, Else } kind = Kind::Text;
    std::string word;
    std::string after_else;  // "if ..." or "with ..."
  };

  TemplateList parse_list(Stop& stop) {
    Nesting nesting(depth_);
    TemplateList nodes;
    while (!rest_.empty()) {
      add_text(nodes, rest_.substr(0, rest_.find("{{")));
      if (rest_.empty()) break;
      std::string action = take_action();
      if (action.empty()) continue;
      auto [word, after] = split_word(action);
      if (word == "end" || word == "else") {
        stop = {word == "end" ? Stop::Kind::End : Stop::Kind::Else, std::string(word), std::string(after)};
        return nodes;
      }
      nodes.push_back(parse_action(action, word, after));
    }
    return nodes;
  }

  // Text up to the next action; a "{{- " after it takes the white space at its end.
  void add_text(TemplateList& nodes, std::string_view text) {
    rest_.remove_prefix(text.size());
    std::string plain(text);
    if (trim_next_) plain.erase(0, std::min(plain.find_first_not_of(kTemplateSpace), plain.size()));
    trim_next_ = false;
    if (rest_.size() > 3 && rest_[2] == '-' && kTemplateSpace.find(rest_[3]) != std::string_view::npos) {
      plain.erase(plain.find_last_not_of(kTemplateSpace) + 1);
    }
    plain = replace_all(replace_all(plain, "\\t", "\t"), "\\n", "\n");
    if (!plain.empty()) nodes.push_back({.kind = TemplateNode::Kind::Text, .text = std::move(plain)});
  }

  // The inside of "{{ ... }}", empty for a comment. Quoted texts may hold "}}".
  std::string take_action() {
    rest_.remove_prefix(2);
    if (rest_.size() > 1 && rest_[0] == '-' && kTemplateSpace.find(rest_[1]) != std::string_view::npos)
      rest_.remove_prefix(1);
    std::string_view inside = rest_.substr(0, action_length());
    rest_.remove_prefix(inside.size() + 2);
    if (inside.size() > 1 && inside.back() == '-' &&
        kTemplateSpace.find(inside[inside.size() - 2]) != std::string_view::npos) {
      inside.remove_suffix(1);
      trim_next_ = true;
    }
    inside = trim(inside);
    if (inside.starts_with("/*") && inside.ends_with("*/")) return "";
    if (inside.empty()) template_error("an empty action");
    return std::string(inside);
  }

  std::size_t action_length() const {
    char quote = 0;
    std::size_t start = 0;
    if (trim(rest_.substr(0, 16)).starts_with("/*")) start = std::min(rest_.find("*/"), rest_.size());
    for (std::size_t i = start; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (quote != 0) {
        if (c == '\\' && quote != '`') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '`' || c == '\'') {
        quote = c;
      } else if (rest_.substr(i).starts_with("}}")) {
        return i;
      }
    }
    template_error("\"{{\" is not closed");
  }

  static std::pair<std::string_view, std::string_view> split_word(std::string_view action) {
    std::size_t length = 0;
    while (length < action.size() && is_template_word_char(action[length])) ++length;
    return {action.substr(0, length), trim(action.substr(length))};
  }

  TemplateNode parse_action(std::string_view action, std::string_view word, std::string_view after) {
    using K = TemplateNode::Kind;
    if (word == "if") return parse_block(K::If, after);
    if (word == "range") return parse_block(K::Range, after);
    if (word == "with") return parse_block(K::With, after);
    if (word == "define" || word == "template" || word == "block")
      template_error(fmt::format("\"{}\" is not supported", word));
    if ((word == "break" || word == "continue") && after.empty()) {
      if (ranges_ == 0) template_error(fmt::format("\"{}\" outside of range", word));
      return {.kind = word == "break" ? K::Break : K::Continue};
    }
    return {.kind = K::Action, .pipeline = PipelineParser(action).parse_whole()};
  }

  TemplateNode parse_block(TemplateNode::Kind kind, std::string_view condition) {
    Nesting nesting(depth_);
    TemplateNode node{.kind = kind, .pipeline = PipelineParser(condition).parse_whole()};
    if (kind == TemplateNode::Kind::Range) ++ranges_;
    Stop stop;
    node.body = parse_list(stop);
    if (kind == TemplateNode::Kind::Range) --ranges_;
    if (stop.kind == Stop::Kind::Else && !stop.after_else.empty()) {
      // "{{else if x}}...{{end}}" is "{{else}}{{if x}}...{{end}}{{end}}" with one end.
      auto [word, after] = split_word(stop.after_else);
      if (word != "if" && word != "with") template_error("unexpected text after \"else\"");
      node.otherwise.push_back(parse_block(word == "if" ? TemplateNode::Kind::If : TemplateNode::Kind::With, after));
      return node;
    }
    if (stop.kind == Stop::Kind::Else) node.otherwise = parse_list(stop);
    if (stop.kind != Stop::Kind::End) template_error("\"end\" is missing");
    return node;
  }

  std::string_view rest_;
  bool trim_next_ = false;
  int depth_ = 0;
  int ranges_ = 0;
};

}  // namespace

void template_error(std::string message) { throw Error(ErrorCode::InvalidArgument, "template: " + std::move(message)); }

TemplateTree parse_template(std::string_view text) {
  if (text.size() > kMaxTemplateSize) throw Error(ErrorCode::LimitExceeded, "template: longer than 64 KiB");
  return {Parser(text).parse_all()};
}

}  // namespace proa::cli
