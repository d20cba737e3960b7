#include "tools/build/check/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/reference.h"
#include "tools/build/check/stage_check.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {
namespace {

bool is_lower(const std::string& text) { return to_lower(text) == text; }
bool is_upper(const std::string& text) { return to_upper(text) == text; }

class Checker {
 public:
  Checker(std::string_view text, const CheckOptions& options) : options_(options) {
    for (std::string& line : split(text, '\n')) report_.lines.push_back(std::move(line));
    auto directive = find_directive("check", text);
    auto given = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
    choice_ = CheckChoice::parse(given != options.build_args.end() ? given->second : directive ? directive->value : "");
  }

  CheckReport run(std::string_view text) {
    try {
      SyntaxTree tree = parse_syntax(text);
      expand_options_.escape = tree.escape;
      for (const Node& node : tree.nodes) {
        if (node.empty_continuation) warn(node, "NoEmptyContinuation", "Empty continuation line", node.last_line);
      }
      check_nodes(tree);
      check_casing(tree);
    } catch (const Error& error) {
      report_.build_error = error.message();
    }
    refuse_if_asked();
    return std::move(report_);
  }

 private:
  void warn(const Node& node, std::string_view rule, std::string detail, int line = 0) {
    // A comment right before an instruction may switch checks off for it.
    for (const std::string& comment : node.doc_comments) {
      if (comment.starts_with("check=") && node.first_line > 1) {
        CheckChoice own = CheckChoice::parse(std::string_view(comment).substr(6));
        if (own.skip_all || own.skipped.contains(std::string(rule))) return;
      }
    }
    if (choice_.is_on(rule))
      report_.warnings.push_back({std::string(rule), std::move(detail), line > 0 ? line : node.first_line});
  }

  void check_nodes(const SyntaxTree& tree) {
    StageCheck::Warn warn_node = [this](const Node& node, std::string_view rule, std::string detail) {
      warn(node, rule, std::move(detail));
    };
    for (const Node& node : tree.nodes) {
      if (to_lower(node.instruction) == "maintainer")
        warn(node, "MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
      if (to_lower(node.instruction) == "from") check_from_words(node);
      Instruction instruction = parse_instruction(node);
      if (const auto* arg = std::get_if<Arg>(&instruction.meaning)) {
        std::vector<std::string> keys;
        for (const ArgItem& item : arg->items) keys.push_back(item.key);
        check_description(node, "ARG", keys);
        if (stages_.empty()) declare_global(*arg);
      }
      if (const auto* from = std::get_if<From>(&instruction.meaning)) {
        check_description(node, "FROM", from->name.empty() ? std::vector<std::string>() : std::vector{from->name});
        stages_.emplace_back(options_, expand_options_, globals_, warn_node);
        begin_stage(node, *from);
      } else if (!stages_.empty()) {
        stages_.back().check(node, instruction);
      }
    }
    if (stages_.empty()) throw Error(ErrorCode::InvalidArgument, "no FROM instruction");
  }

  void check_from_words(const Node& node) {
    if (node.args.size() != 3) return;
    const std::string &from = node.instruction, &as = node.args[1], &name = node.args[2];
    if ((is_lower(from) && !is_lower(as)) || (is_upper(from) && !is_upper(as)))
      warn(node, "FromAsCasing", fmt::format("'{}' and '{}' keywords' casing do not match", as, from));
    if (!is_lower(name)) warn(node, "StageNameCasing", fmt::format("Stage name '{}' should be lowercase", name));
    std::string lower = to_lower(name);
    if (lower == "scratch" || lower == "context")
      warn(node, "ReservedStageName",
           fmt::format("Stage name should not use the same name as reserved stage '{}'", name));
    if (std::find(names_.begin(), names_.end(), lower) != names_.end())
      warn(node, "DuplicateStageName", fmt::format("Duplicate stage name '{}', stage names should be unique", name));
    names_.push_back(lower);
  }

  void check_description(const Node& node, const char* name, const std::vector<std::string>& keys) {
    if (node.doc_comments.empty() || node.doc_comments.back().empty() || keys.empty()) return;
    std::string first = node.doc_comments.back().substr(0, node.doc_comments.back().find(' '));
    if (std::find(keys.begin(), keys.end(), first) != keys.end()) return;
    warn(node, "InvalidDefinitionDescription",
         fmt::format("Comment for {} should follow the format: `# {} <description>`", name,
                     keys.size() > 1 ? "<arg_key>" : keys[0]));
  }

  void declare_global(const Arg& arg) {
    for (const ArgItem& item : arg.items) {
      global_names_.push_back(item.key);
      Variables known = options_.platform_args;
      for (const auto& [key, value] : globals_) known[key] = value;
      if (item.value) defaults_[item.key] = expand(*item.value, known, expand_options_).text;
      if (auto given = options_.build_args.find(item.key); given != options_.build_args.end()) {
        globals_[item.key] = given->second;
      } else if (item.value) {
        globals_[item.key] = expand(*item.value, known, expand_options_).text;
      }
    }
  }

  // Names in FROM that no ARG declares.
  std::string check_arguments(const Node& node, const std::string& word) {
    Variables known = options_.platform_args;
    for (const auto& [key, value] : globals_) known[key] = value;
    Expansion expansion = expand(word, known, expand_options_);
    std::string hint;
    for (const std::string& name : expansion.unmatched) {
      if (std::find(global_names_.begin(), global_names_.end(), name) != global_names_.end()) continue;
      std::vector<std::string> candidates = global_names_;
      for (const auto& [key, value] : options_.platform_args) candidates.push_back(key);
      auto near = nearest(name, candidates);
      hint = near ? fmt::format(" (did you mean {}?)", *near) : "";
      warn(node, "UndefinedArgInFrom", fmt::format("FROM argument '{}' is not declared{}", name, hint));
    }
    if (word.find('$') != std::string::npos && expansion.text.empty() && !node.flags.empty() && word != node.args[0])
      throw Error(ErrorCode::InvalidArgument, fmt::format("empty platform value from expression {}{}", word, hint));
    return expansion.text;
  }

  void check_platform(const Node& node, const From& from) {
    if (from.platform.empty()) return;
    if (from.platform == "$TARGETPLATFORM" || from.platform == "${TARGETPLATFORM}") {
      warn(node, "RedundantTargetPlatform",
           fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                       from.platform));
    }
    if (from.platform.find('$') == std::string::npos) {
      // A stage that is named after its platform is meant for it alone.
      bool meant = false;
      for (const std::string& part : split(from.platform, '/')) {
        meant = meant || (!part.empty() && from.name.find(to_lower(part)) != std::string::npos);
      }
      if (!meant) {
        warn(node, "FromPlatformFlagConstDisallowed",
             fmt::format("FROM --platform flag should not use constant value \"{}\"", from.platform));
      }
    }
    check_arguments(node, from.platform);
  }

  void begin_stage(const Node& node, const From& from) {
    std::string base = check_arguments(node, from.base);
    Variables defaults = options_.platform_args;
    for (const auto& [key, value] : defaults_) defaults[key] = value;
    if (from.base.find('$') != std::string::npos) {
      std::string by_default = expand(from.base, defaults, expand_options_).text;
      try {
        oci::Reference::parse_normalized(by_default);
      } catch (const Error&) {
        warn(node, "InvalidDefaultArgInFrom",
             fmt::format("Default value for ARG {} results in empty or invalid base image name", from.base));
      }
    }
    check_platform(node, from);
    const StageCheck* below = nullptr;
    for (std::size_t i = 0; i < names_by_stage_.size(); ++i) {
      if (!names_by_stage_[i].empty() && names_by_stage_[i] == to_lower(base)) below = &stages_[i];
    }
    names_by_stage_.push_back(from.name);
    stages_.back().start(base, below);
  }

  void check_casing(const SyntaxTree& tree) {
    std::size_t lower = 0, upper = 0;
    bool in_stage = false;
    std::vector<const Node*> nodes;
    for (const Node& node : tree.nodes) {
      in_stage = in_stage || to_lower(node.instruction) == "from";
      if (in_stage) nodes.push_back(&node);
    }
    for (const Node* node : nodes) {
      if (is_lower(node->instruction)) ++lower;
      if (is_upper(node->instruction)) ++upper;
    }
    bool to_be_lower = lower > upper;
    for (const Node* node : nodes) {
      if (to_be_lower ? is_lower(node->instruction) : is_upper(node->instruction)) continue;
      warn(*node, "ConsistentInstructionCasing",
           fmt::format("Command '{}' should match the case of the command majority ({})", node->instruction,
                       to_be_lower ? "lowercase" : "uppercase"));
    }
  }

  void refuse_if_asked() {
    if (!choice_.errors || report_.warnings.empty() || !report_.build_error.empty()) return;
    std::vector<std::string> rules;
    for (const Warning& warning : report_.warnings) {
      if (std::find(rules.begin(), rules.end(), warning.rule) == rules.end()) rules.push_back(warning.rule);
    }
    report_.build_error = "lint violation found for rules: " + join(rules, ", ");
    report_.warnings_are_errors = true;
  }

  const CheckOptions& options_;
  CheckChoice choice_;
  CheckReport report_;
  ExpandOptions expand_options_;
  Variables globals_, defaults_;
  std::vector<std::string> global_names_, names_, names_by_stage_;
  std::deque<StageCheck> stages_;
};

}  // namespace

CheckReport check_containerfile(std::string_view text, const CheckOptions& options) {
  return Checker(text, options).run(text);
}

}  // namespace proa::build
