#include "libcommon/registry/challenge.h"

#include <algorithm>

namespace proa::registry {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  void skip(std::string_view characters) {
    while (!at_end() && characters.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  // RFC 9110 token; '/' and '=' of token68 are left where they are.
  std::string token() {
    const auto begin = at_;
    while (!at_end() && is_token(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string quoted() {
    std::string out;
    while (!at_end() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    take('"');
    return out;
  }
  // Values without quotes are met in the field with characters that are no token's: up to a comma or a space.
  std::string bare() {
    const auto end = std::min(text_.find_first_of(", \t", at_), text_.size());
    std::string out(text_.substr(at_, end - at_));
    at_ = end;
    return out;
  }
  std::size_t position() const { return at_; }
  void go_to(std::size_t position) { at_ = position; }

 private:
  static bool is_token(char c) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string Challenge::parameter(std::string_view name) const {
  const auto at = parameters.find(name);
  return at == parameters.end() ? std::string{} : at->second;
}

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> result;
  Reader reader(header);
  while (true) {
    reader.skip(", \t");
    const auto begin = reader.position();
    const std::string word = reader.token();
    if (word.empty()) return result;
    reader.skip(" \t");
    if (reader.take('=')) {  // a parameter of the present challenge
      if (result.empty()) return result;
      reader.skip(" \t");
      std::string value = reader.take('"') ? reader.quoted() : reader.bare();
      result.back().parameters.emplace(to_lower(word), std::move(value));
    } else {
      result.push_back({.scheme = to_lower(word), .parameters = {}});
    }
    if (reader.position() == begin) return result;
  }
}

std::vector<Challenge> challenges_of(const http::Headers& headers) {
  std::vector<Challenge> result;
  for (const auto& [name, value] : headers) {
    if (to_lower(name) != "www-authenticate") continue;
    for (auto& challenge : parse_challenges(value)) result.push_back(std::move(challenge));
  }
  return result;
}

}  // namespace proa::registry
