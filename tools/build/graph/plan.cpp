#include "tools/build/graph/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

std::optional<std::size_t> stage_named(const Containerfile& file, std::string_view name, std::size_t before) {
  std::string wanted = to_lower(name);
  // The last one of a name counts, as with the peers.
  for (std::size_t i = before; i-- > 0;) {
    if (!wanted.empty() && file.stages[i].from.name == wanted) return i;
  }
  return std::nullopt;
}

Variables global_args(const Containerfile& file, const Variables& platform, const Variables& build_args,
                      const ExpandOptions& options) {
  Variables values;
  for (const Arg& arg : file.global_args) {
    for (const ArgItem& item : arg.items) {
      Variables known = platform;
      for (const auto& [key, value] : values) known[key] = value;
      if (auto given = build_args.find(item.key); given != build_args.end()) {
        values[item.key] = given->second;
      } else if (item.value) {
        values[item.key] = expand(*item.value, known, options).text;
      } else if (auto predefined = platform.find(item.key); predefined != platform.end()) {
        values[item.key] = predefined->second;
      }
    }
  }
  return values;
}

class Planner {
 public:
  Planner(const Containerfile& file, const PlanOptions& options, std::string_view name)
      : file_(file), options_(options), name_(name), marks_(file.stages.size(), Mark::New) {
    expand_options_.escape = file.escape;
  }

  Plan plan() {
    if (file_.stages.empty()) fail("no FROM instruction");
    plan_.platform_args = platform_args(options_.host, options_.wanted);
    plan_.global_args = global_args(file_, plan_.platform_args, options_.build_args, expand_options_);
    visit(target());
    return std::move(plan_);
  }

 private:
  enum class Mark { New, Open, Done };

  std::size_t target() const {
    if (options_.target.empty()) return file_.stages.size() - 1;
    if (auto named = stage_named(file_, options_.target, file_.stages.size())) return *named;
    auto number = parse_integer<std::size_t>(options_.target);
    if (number && *number < file_.stages.size()) return *number;
    std::vector<std::string> names;
    for (const Stage& stage : file_.stages) names.push_back(stage.from.name);
    auto near = nearest(to_lower(options_.target), names);
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("target stage \"{}\" could not be found", escape_control(options_.target)),
                near ? fmt::format("did you mean {}?", *near) : "");
  }

  std::string expand_from(const std::string& word) const {
    Variables known = plan_.platform_args;
    for (const auto& [key, value] : plan_.global_args) known[key] = value;
    return expand(word, known, expand_options_).text;
  }

  PlannedStage describe(std::size_t index) const {
    const Stage& stage = file_.stages[index];
    PlannedStage planned;
    planned.index = index;
    std::string base = expand_from(stage.from.base);
    if (base.empty()) fail(fmt::format("base name ({}) should not be blank", escape_control(stage.from.base)));
    planned.platform = expand_from(stage.from.platform);
    if (options_.contexts.contains(base)) {
      planned.base = {Origin::Kind::Context, base, 0};
    } else if (auto named = stage_named(file_, base, index)) {
      planned.base = {Origin::Kind::Stage, "", *named};
    } else if (base != "scratch") {
      planned.base = {Origin::Kind::Image, base, 0};
    }
    std::set<std::size_t> needs;
    if (planned.base.kind == Origin::Kind::Stage) needs.insert(planned.base.stage);
    for (const Instruction& instruction : stage.instructions) {
      While planning{[&] { return fmt::format("{}:{}", escape_control(name_), instruction.first_line); }};
      for (const std::string& from : froms_of(instruction)) {
        Origin origin = resolve_origin(file_, options_.contexts, index, from);
        if (origin.kind == Origin::Kind::Stage) needs.insert(origin.stage);
      }
    }
    planned.needs.assign(needs.begin(), needs.end());
    return planned;
  }

  // Depth first with a stack of our own: the number of stages is foreign input.
  void visit(std::size_t target) {
    struct Open {
      PlannedStage stage;
      std::size_t next = 0;
    };
    std::vector<Open> open;
    auto enter = [&](std::size_t index) {
      const Stage& stage = file_.stages[index];
      While planning{[&] { return fmt::format("{}:{}", escape_control(name_), stage.source.first_line); }};
      if (marks_[index] == Mark::Open) {
        fail(fmt::format("circular dependency detected on stage: {}",
                         stage.from.name.empty() ? std::to_string(index) : stage.from.name));
      }
      marks_[index] = Mark::Open;
      open.push_back({describe(index), 0});
    };
    enter(target);
    while (!open.empty()) {
      Open& top = open.back();
      if (top.next < top.stage.needs.size()) {
        std::size_t need = top.stage.needs[top.next++];
        if (marks_[need] != Mark::Done) enter(need);
        continue;
      }
      marks_[top.stage.index] = Mark::Done;
      plan_.stages.push_back(std::move(top.stage));
      open.pop_back();
    }
  }

  const Containerfile& file_;
  const PlanOptions& options_;
  std::string_view name_;
  ExpandOptions expand_options_;
  std::vector<Mark> marks_;
  Plan plan_;
};

}  // namespace

std::vector<std::string> froms_of(const Instruction& instruction) {
  std::vector<std::string> froms;
  if (const auto* transfer = std::get_if<Transfer>(&instruction.meaning)) {
    if (!transfer->from.empty()) froms.push_back(transfer->from);
  } else if (const auto* run = std::get_if<Run>(&instruction.meaning)) {
    for (const std::string& mount : run->mounts) {
      if (std::string from = mount_from(mount); !from.empty()) froms.push_back(from);
    }
  }
  return froms;
}

bool Plan::has(std::size_t stage) const {
  return std::any_of(stages.begin(), stages.end(), [&](const PlannedStage& one) { return one.index == stage; });
}

Plan plan_build(const Containerfile& file, const PlanOptions& options, std::string_view name) {
  return Planner(file, options, name).plan();
}

Origin resolve_origin(const Containerfile& file, const std::set<std::string>& contexts, std::size_t user,
                      const std::string& from) {
  if (contexts.contains(from)) return {Origin::Kind::Context, from, 0};
  if (auto number = parse_integer<std::size_t>(from)) {
    if (*number >= file.stages.size() || *number > user) {
      fail(fmt::format("invalid from flag value {}: there is no such stage before this one", escape_control(from)));
    }
    return {Origin::Kind::Stage, "", *number};
  }
  if (auto named = stage_named(file, from, file.stages.size())) return {Origin::Kind::Stage, "", *named};
  if (from == "scratch") return {};
  return {Origin::Kind::Image, from, 0};
}

Variables platform_args(const oci::Platform& host, const oci::Platform& wanted) {
  Variables args;
  auto add = [&](const std::string& prefix, const oci::Platform& platform) {
    args[prefix + "PLATFORM"] = platform.str();
    args[prefix + "OS"] = platform.os;
    args[prefix + "ARCH"] = platform.architecture;
    args[prefix + "VARIANT"] = platform.variant;
  };
  add("BUILD", host);
  add("TARGET", wanted);
  return args;
}

}  // namespace proa::build
