#include "tools/copy/config_change.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"

namespace proa::copy {

namespace {

constexpr std::uint64_t kMaxInstruction = 64 << 10;

// ["a","b"], or nullopt when the text is no JSON array of strings.
std::optional<std::vector<std::string>> exec_form(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  try {
    return oci::parse_json(text, "instruction", kMaxInstruction).get<std::vector<std::string>>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::vector<std::string> command_line(std::string_view text) {
  if (auto words = exec_form(text)) return *words;
  return {"/bin/sh", "-c", std::string(text)};
}

// Words apart by blanks; quotes keep blanks, a backslash the next character.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      if (open) words.push_back(std::exchange(word, {}));
      open = false;
      continue;
    }
    open = true;
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  if (quote != 0) throw Error(ErrorCode::InvalidArgument, "a quote is not closed");
  if (open) words.push_back(std::move(word));
  return words;
}

// "A=1 B=2", or the old "A 1".
std::vector<std::pair<std::string, std::string>> pairs_of(std::string_view text) {
  const auto words = words_of(text);
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!words.empty() && words.front().find('=') == std::string::npos) {
    const auto parts = cut(text, " ");
    if (!parts) throw Error(ErrorCode::InvalidArgument, "a value is missing");
    return {{std::string(parts->first), std::string(trim(parts->second))}};
  }
  for (const auto& word : words) {
    const auto parts = cut(word, "=");
    if (!parts || parts->first.empty())
      throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is not NAME=VALUE", word));
    pairs.emplace_back(parts->first, parts->second);
  }
  return pairs;
}

void set_env(oci::ImageConfig& config, const std::string& name, const std::string& value) {
  std::erase_if(config.env, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  config.env.push_back(name + "=" + value);
}

void add_ports(oci::ImageConfig& config, std::string_view text) {
  for (auto port : words_of(text)) {
    const auto parts = cut(port, "/");
    const auto number = parse_integer<std::uint16_t>(parts ? parts->first : std::string_view(port));
    const std::string protocol = parts ? std::string(parts->second) : "tcp";
    if (!number || *number == 0 || (protocol != "tcp" && protocol != "udp" && protocol != "sctp")) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is no port", port));
    }
    config.exposed_ports.push_back(fmt::format("{}/{}", *number, protocol));
  }
}

}  // namespace

void apply_change(oci::ImageConfig& config, const std::string& instruction) {
  const While changing{[&] { return fmt::format("change \"{}\"", escape_control(instruction)); }};
  const auto line = trim(instruction);
  const auto space = line.find_first_of(" \t");
  const std::string verb = to_upper(line.substr(0, space));
  const std::string_view rest = space == std::string_view::npos ? std::string_view() : trim(line.substr(space));
  if (rest.empty()) throw Error(ErrorCode::InvalidArgument, "an argument is missing");
  if (verb == "CMD") {
    config.cmd = command_line(rest);
  } else if (verb == "ENTRYPOINT") {
    config.entrypoint = command_line(rest);
  } else if (verb == "ENV") {
    for (const auto& [name, value] : pairs_of(rest)) set_env(config, name, value);
  } else if (verb == "LABEL") {
    for (const auto& [name, value] : pairs_of(rest)) config.labels[name] = value;
  } else if (verb == "EXPOSE") {
    add_ports(config, rest);
  } else if (verb == "ONBUILD") {
    config.on_build.emplace_back(rest);
  } else if (verb == "STOPSIGNAL") {
    config.stop_signal = std::string(rest);
  } else if (verb == "USER") {
    config.user = std::string(rest);
  } else if (verb == "VOLUME") {
    for (auto& path : exec_form(rest).value_or(words_of(rest))) config.volumes.push_back(std::move(path));
  } else if (verb == "WORKDIR") {
    config.working_dir = std::string(rest);
  } else {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} is not an instruction that changes a config", escape_control(verb)),
                "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are");
  }
}

}  // namespace proa::copy
