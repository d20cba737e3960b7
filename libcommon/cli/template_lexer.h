// Words and signs inside of a template's action. Private to cli/template*.cpp.
#pragma once

#include <string>
#include <string_view>

#include "libcommon/cli/template_tree.h"

namespace proa::cli {

inline constexpr std::string_view kTemplateSpace = " \t\r\n";

bool is_template_word_char(char c);

struct TemplateToken {
  enum class Kind {
    Field,
    Dot,
    Variable,
    Word,
    Literal,
    Open,
    Close,
    Pipe,
    Declare,
    Assign,
    Comma,
    End
  } kind = Kind::End;
  std::string text;  // Field and Variable: the name alone
  TemplateValue literal;
  bool space_before = false;
};

class TemplateLexer {
 public:
  explicit TemplateLexer(std::string_view action) : rest_(action) {}
  TemplateToken next();

 private:
  std::string take_word();
  void take_sign(TemplateToken& token);
  TemplateValue take_number();
  TemplateValue take_quoted(char quote);

  std::string_view rest_;
};

}  // namespace proa::cli
