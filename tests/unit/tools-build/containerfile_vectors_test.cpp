// The recorded cases of the frontends that proa's parser has to agree with: one test for each category.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "tests/support/vectors.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/ignore.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {
namespace {

using nlohmann::json;
using test::VectorAnswer;
using test::VectorDeviations;

void run_vectors(const std::string& category, const VectorAnswer& answer, const VectorDeviations& deviations = {}) {
  test::check_vectors(category, answer, deviations, test::without_empty_members);
}

json to_json(const Heredoc& heredoc) {
  return {{"name", heredoc.name},
          {"fd", heredoc.fd},
          {"expand", heredoc.expand},
          {"chomp", heredoc.chomp},
          {"content", heredoc.content}};
}

json to_json(const Node& node) {
  json out = {
      {"instruction", node.instruction}, {"original", node.original}, {"lines", {node.first_line, node.last_line}}};
  out["args"] = node.args;
  if (node.trigger) {
    out["args"] = json::array({to_json(*node.trigger)});
    out["trigger"] = true;
  }
  if (!node.flags.empty()) out["flags"] = node.flags;
  if (node.json) out["json"] = true;
  for (const Heredoc& heredoc : node.heredocs) out["heredocs"].push_back(to_json(heredoc));
  return out;
}

// As Go's %q for what occurs in the cases.
std::string quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    std::size_t named = std::string_view("\a\b\f\n\r\t\v\"\\").find(c);
    if (named != std::string_view::npos) {
      out += {'\\', "abfnrtv\"\\"[named]};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string dump(const Node& node) {
  std::string out = "(" + to_lower(node.instruction);
  if (!node.flags.empty()) {
    std::vector<std::string> flags;
    for (const std::string& flag : node.flags) flags.push_back(quote(flag));
    out += " [" + join(flags, " ") + "]";
  }
  for (const std::string& arg : node.args) out += " " + quote(arg);
  if (node.trigger) out += " " + dump(*node.trigger);
  return out + ")";
}

json to_json(const SyntaxTree& tree) {
  std::vector<std::string> dumps;
  for (const Node& node : tree.nodes) dumps.push_back(dump(node));
  json out = {{"escape", std::string(1, tree.escape)},
              {"instructions", json::array()},
              {"warnings", tree.warnings},
              {"dump", join(dumps, "\n")}};
  for (const Node& node : tree.nodes) out["instructions"].push_back(to_json(node));
  return out;
}

json pairs_json(const std::vector<KeyValue>& pairs) {
  json out = json::array();
  for (const KeyValue& pair : pairs)
    out.push_back({{"Key", pair.key}, {"Value", pair.value}, {"NoDelim", pair.old_form}});
  return out;
}

json command_json(const CommandLine& command) {
  json out = {{"CmdLine", command.words}};
  if (command.shell) out["PrependShell"] = true;
  for (const Heredoc& file : command.files) {
    out["Files"].push_back({{"Name", file.name}, {"Data", file.content}, {"Chomp", file.chomp}});
  }
  return out;
}

json transfer_json(const Transfer& transfer) {
  json out = {{"DestPath", transfer.destination}};
  if (!transfer.sources.empty()) out["SourcePaths"] = transfer.sources;
  for (const InlineFile& file : transfer.files) {
    out["SourceContents"].push_back({{"Path", file.name}, {"Data", file.content}, {"Expand", file.expand}});
  }
  if (!transfer.from.empty()) out["From"] = transfer.from;
  if (!transfer.chown.empty()) out["Chown"] = transfer.chown;
  if (!transfer.chmod.empty()) out["Chmod"] = transfer.chmod;
  if (!transfer.checksum.empty()) out["Checksum"] = transfer.checksum;
  if (transfer.link) out["Link"] = true;
  if (transfer.parents) out["Parents"] = true;
  if (!transfer.excludes.empty()) out["ExcludePatterns"] = transfer.excludes;
  return out;
}

json health_json(const Healthcheck& health) {
  json out = {{"Test", health.test}};
  if (health.interval != 0) out["Interval"] = health.interval;
  if (health.timeout != 0) out["Timeout"] = health.timeout;
  if (health.start_period != 0) out["StartPeriod"] = health.start_period;
  if (health.start_interval != 0) out["StartInterval"] = health.start_interval;
  if (health.retries != 0) out["Retries"] = health.retries;
  return {{"Health", out}};
}

json args_json(const Arg& arg) {
  json out = json::array();
  for (const ArgItem& item : arg.items) {
    out.push_back(
        {{"Key", item.key}, {"Value", item.value ? json(*item.value) : json()}, {"DocComment", item.doc_comment}});
  }
  return {{"Args", out}};
}

struct MeaningJson {
  json operator()(const Env& v) const { return {{"Env", pairs_json(v.pairs)}}; }
  json operator()(const Label& v) const { return {{"Labels", pairs_json(v.pairs)}}; }
  json operator()(const Maintainer& v) const { return {{"Maintainer", v.name}}; }
  json operator()(const Transfer& v) const { return transfer_json(v); }
  json operator()(const Run& v) const {
    json out = command_json(v.command);
    out["FlagsUsed"] = v.flags_used;
    for (const std::string& mount : v.mounts) {
      out["Mounts"].push_back({{"Type", "bind"},
                               {"From", mount_from(mount)},
                               {"Source", ""},
                               {"Target", ""},
                               {"ReadOnly", true},
                               {"SizeLimit", 0},
                               {"CacheID", ""},
                               {"CacheSharing", ""},
                               {"Required", false},
                               {"Env", nullptr},
                               {"Mode", nullptr},
                               {"UID", nullptr},
                               {"GID", nullptr}});
    }
    return out;
  }
  json operator()(const Cmd& v) const { return command_json(v.command); }
  json operator()(const Entrypoint& v) const { return command_json(v.command); }
  json operator()(const Healthcheck& v) const { return health_json(v); }
  json operator()(const Expose& v) const { return {{"Ports", v.ports}}; }
  json operator()(const User& v) const { return {{"User", v.user}}; }
  json operator()(const Volume& v) const { return {{"Volumes", v.paths}}; }
  json operator()(const StopSignal& v) const { return {{"Signal", v.signal}}; }
  json operator()(const Arg& v) const { return args_json(v); }
  json operator()(const Shell& v) const { return {{"Shell", v.words}}; }
  json operator()(const OnBuild& v) const { return {{"Expression", v.expression}}; }
  json operator()(const WorkDir& v) const { return {{"Path", v.path}}; }
  json operator()(const From& v) const { return {{"BaseName", v.base}}; }
};

json to_json(const Instruction& instruction) {
  return {{"type", instruction.name}, {"value", std::visit(MeaningJson{}, instruction.meaning)}};
}

TEST(Vectors, DockerfileParse) {
  run_vectors("dockerfile-parse", [](const json& in) {
    json out = to_json(parse_syntax(in["dockerfile"].get<std::string>()));
    return out;
  });
}

TEST(Vectors, DockerfileCorpus) {
  run_vectors("dockerfile-corpus", [](const json& in) {
    auto text = in["dockerfile"].get<std::string>();
    json out = {{"tree", to_json(parse_syntax(text))}, {"meta_args", json::array()}, {"stages", json::array()}};
    Containerfile file = parse_containerfile(text);
    for (const Arg& arg : file.global_args) out["meta_args"].push_back(args_json(arg));
    for (const Stage& stage : file.stages) {
      json commands = json::array();
      for (const Instruction& instruction : stage.instructions) commands.push_back(to_json(instruction));
      out["stages"].push_back({{"base", stage.from.base},
                               {"name", stage.from.name},
                               {"platform", stage.from.platform},
                               {"commands", commands}});
    }
    return out;
  });
}

constexpr const char* kHandMade =
    "that test hands in words which no line gives: dockerfile-parse/065 and 085 accept such lines";

TEST(Vectors, Instruction) {
  run_vectors("instruction",
              [](const json& in) {
                Node node = parse_line(in["instruction"].get<std::string>());
                for (const json& heredoc : in.value("heredocs", json::array())) {
                  node.heredocs.push_back(
                      {heredoc["name"], heredoc["fd"], heredoc["expand"], heredoc["chomp"], heredoc["content"]});
                }
                json out = to_json(parse_instruction(node));
                auto name = out["type"].get<std::string>();
                out["type"] = name.substr(0, 1) + to_lower(name.substr(1));
                return out;
              },
              {{"instruction/018", kHandMade}, {"instruction/024", kHandMade}});
}

TEST(Vectors, DockerfileWords) {
  run_vectors("dockerfile-words",
              [](const json& in) { return json(detail::split_words(in["line"].get<std::string>(), '\\')); });
}

TEST(Vectors, JsonArray) {
  run_vectors("json-array", [](const json& in) {
    auto list = detail::parse_json_strings(in["text"].get<std::string>());
    if (!list) throw Error(ErrorCode::InvalidArgument, "no JSON array");
    return json(*list);
  });
}

TEST(Vectors, NameValue) {
  run_vectors("name-value", [](const json& in) {
    return json(detail::parse_name_values(in["rest"].get<std::string>(), in["instruction"].get<std::string>(), '\\'));
  });
}

TEST(Vectors, HeredocWord) {
  run_vectors("heredoc-word", [](const json& in) {
    auto heredoc = parse_heredoc_word(in["word"].get<std::string>());
    return heredoc ? to_json(*heredoc) : json();
  });
}

TEST(Vectors, HeredocsInLine) {
  run_vectors("heredocs-in-line", [](const json& in) {
    json out = json::array();
    for (const Heredoc& heredoc : heredocs_in_line(in["line"].get<std::string>())) out.push_back(to_json(heredoc));
    return out;
  });
}

TEST(Vectors, ParserDirective) {
  run_vectors("parser-directive", [](const json& in) {
    auto key = in["key"].get<std::string>();
    auto text = in["text"].get<std::string>();
    auto found = key == "syntax" ? find_syntax_directive(text) : find_directive(key, text);
    if (!found) return json();
    return json{{"cmdline", found->value}, {"value", found->first_word()}, {"line", found->line}};
  });
}

TEST(Vectors, HealthcheckInterval) {
  run_vectors("healthcheck-interval",
              [](const json& in) { return json(parse_health_interval("interval", in["value"].get<std::string>())); });
}

TEST(Vectors, RunDeviceFlag) {
  run_vectors("run-device-flag", [](const json& in) {
    DeviceRequest device = parse_device(in["value"].get<std::string>());
    return json{{"Name", device.name}, {"Required", device.required}};
  });
}

Expansion expand_vector(const json& in) {
  Variables variables;
  for (const auto& [key, value] : in["env"].items()) variables[key] = value.get<std::string>();
  ExpandOptions options;
  options.escape = in["escape"].get<std::string>()[0];
  options.raw_quotes = in["raw_quotes"];
  options.keep_unset = in["skip_unset_env"];
  return expand(in["word"].get<std::string>(), variables, options);
}

TEST(Vectors, WordExpand) {
  run_vectors("word-expand", [](const json& in) { return json(expand_vector(in).text); });
}

TEST(Vectors, WordsExpand) {
  run_vectors("words-expand", [](const json& in) { return json(expand_vector(in).words); });
}

TEST(Vectors, WordExpandMatches) {
  run_vectors("word-expand-matches", [](const json& in) {
    Expansion expansion = expand_vector(in);
    return json{{"result", expansion.text}, {"matched", expansion.matched}, {"unmatched", expansion.unmatched}};
  });
}

TEST(Vectors, ExposePort) {
  run_vectors("expose-port", [](const json& in) { return json(expand_ports({in["port"].get<std::string>()})); });
}

TEST(Vectors, ExposePorts) {
  run_vectors("expose-ports",
              [](const json& in) { return json(expand_ports(in["ports"].get<std::vector<std::string>>())); });
}

TEST(Vectors, IgnoreFile) {
  run_vectors("ignore-file", [](const json& in) { return json(parse_ignore_file(in["text"].get<std::string>())); });
}

TEST(Vectors, IgnoreMatch) {
  run_vectors("ignore-match", [](const json& in) {
    return json(IgnoreRules(in["patterns"].get<std::vector<std::string>>()).ignores(in["path"].get<std::string>()));
  });
}

}  // namespace
}  // namespace proa::build
