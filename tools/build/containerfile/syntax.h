// The syntax of a Containerfile: physical lines become instructions with their flags, arguments and here-documents.
// As BuildKit's frontend reads it (docs.docker.com, "Dockerfile reference"); what an instruction means comes later
// (instruction.h).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

// Ceilings for a file that may be hostile.
inline constexpr std::size_t kMaxContainerfile = 8u << 20;
inline constexpr std::size_t kMaxLine = 64u << 10;

struct Heredoc {
  std::string name;
  int fd = 0;
  bool expand = true;  // the name was not quoted
  bool chomp = false;  // "<<-": leading tabs go
  std::string content;

  bool operator==(const Heredoc&) const = default;
};

// One instruction as written.
struct Node {
  std::string instruction;         // as written: "RUN", "run"
  std::vector<std::string> flags;  // "--from=x"
  std::vector<std::string> args;
  bool json = false;  // the arguments came as a JSON array ("exec form")
  std::vector<Heredoc> heredocs;
  std::string original;                   // the logical line, continuations joined
  int first_line = 0, last_line = 0;      // counted from 1
  std::shared_ptr<const Node> trigger;    // the instruction inside ONBUILD
  std::vector<std::string> doc_comments;  // comment lines right before it
  bool empty_continuation = false;        // it goes on after an empty line
};

struct SyntaxTree {
  char escape = '\\';
  std::vector<Node> nodes;
  std::vector<std::string> warnings;
};

// Throws InvalidArgument; `name` is the file's name for the message.
SyntaxTree parse_syntax(std::string_view text, std::string_view name = "Containerfile");

// One logical line without here-documents, such as an ONBUILD trigger.
Node parse_line(std::string_view line, char escape = '\\');

// A "# key=value" line at the head of a file (after a byte order mark and a "#!" line).
struct Directive {
  std::string key;    // lower case
  std::string value;  // all of it
  int line = 0;
  std::string first_word() const { return value.substr(0, value.find(' ')); }
};
std::optional<Directive> find_directive(std::string_view key, std::string_view text);
// The frontend that "# syntax=" names; the "//" and JSON forms of other front ends count too.
std::optional<Directive> find_syntax_directive(std::string_view text);

// Reads directives line by line until the first line that is none.
class DirectiveReader {
 public:
  explicit DirectiveReader(std::string_view comment = "#", int line = 0) : comment_(comment), line_(line) {}
  // Throws when a directive is repeated.
  std::optional<Directive> next(std::string_view line);
  bool done() const { return done_; }

 private:
  std::string_view comment_;
  int line_;
  bool done_ = false;
  std::vector<std::string> seen_;
};

// "<<EOF", "3<<-'EOF'": nullopt when the word starts no here-document; throws on unbalanced quotes.
std::optional<Heredoc> parse_heredoc_word(std::string_view word);
// All here-documents that a line announces, without their contents.
std::vector<Heredoc> heredocs_in_line(std::string_view line);
// The content of a "<<-" document: without the tabs at the start of each line.
std::string chomp_heredoc(std::string_view content);

namespace detail {

// Words separated by white space; quotes and escapes are kept in the words.
std::vector<std::string> split_words(std::string_view line, char escape);
// The list in a JSON array of strings. nullopt: no JSON array, so "shell form". Throws when an element is no string.
std::optional<std::vector<std::string>> parse_json_strings(std::string_view text);
// ENV and LABEL: name, value, "=" (or "" in the old form "ENV name value") for each pair.
std::vector<std::string> parse_name_values(std::string_view rest, std::string_view instruction, char escape);
// Fills args, json and trigger of a node from what follows instruction and flags.
void parse_arguments(Node& node, std::string_view rest, char escape);
std::string_view trim_left(std::string_view text);
// As Go's regexp split at [\t\v\f\r ]+.
std::vector<std::string> split_space(std::string_view text);
std::string_view without_bom(std::string_view text);

}  // namespace detail

}  // namespace proa::build
