#include "tools/run/engine/secrets.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/store_file.h"
#include "libcommon/spec/csv.h"
#include "libcommon/spec/volumes.h"

namespace proa::engine {
namespace {

using Json = nlohmann::json;

Secret parse_secret(const std::string& name, const std::string& text) {
  try {
    const Json json = read_json(text);
    return {json.at("id"), name, json.at("created"), json.at("updated"), json.at("labels")};
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::Corrupt, fmt::format("secret {}: secret.json cannot be read: {}", name, error.what()));
  }
}

}  // namespace

std::vector<Secret> Secrets::list() const {
  std::vector<Secret> all;
  if (!os::exists(root_)) return all;
  for (const auto& name : os::list_dir(root_)) {
    if (name.front() == '.') continue;
    const auto text = os::try_read_file(os::join(os::join(root_, name), "secret.json"), 1 << 20);
    if (text) all.push_back(parse_secret(name, *text));
  }
  return all;
}

std::optional<Secret> Secrets::find(std::string_view text) const {
  std::vector<Secret> matches;
  for (auto& secret : list()) {
    if (secret.name == text || secret.id == text) return secret;
    if (!text.empty() && secret.id.starts_with(text)) matches.push_back(std::move(secret));
  }
  if (matches.size() > 1) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("'{}' is the beginning of {} secret ids", text, matches.size()));
  }
  return matches.empty() ? std::nullopt : std::optional(std::move(matches.front()));
}

Secret Secrets::get(std::string_view text) const {
  if (auto secret = find(text)) return std::move(*secret);
  throw Error(ErrorCode::NotFound, fmt::format("no such secret: {}", text), "`proa secret ls` lists all secrets");
}

std::string Secrets::data(const Secret& secret) const {
  return os::read_file(os::join(os::join(root_, secret.name), "data"), kMaxSecret);
}

Secret Secrets::create(const std::string& name, std::string_view data, const std::map<std::string, std::string>& labels,
                       Existing existing) const {
  spec::check_object_name("secret", name);
  if (data.empty() || data.size() > kMaxSecret) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("a secret has 1 to {} bytes", kMaxSecret));
  }
  const auto old = find(name);
  const bool taken = old && old->name == name;
  if (taken && existing == Existing::Keep) return *old;
  const auto in_use = [&] {
    return Error(ErrorCode::AlreadyExists, fmt::format("the secret {} exists", name),
                 "remove it first (`proa secret rm`), or use --replace");
  };
  if (taken && existing == Existing::Refuse) throw in_use();
  const std::string time = format_rfc3339(now());
  Secret secret{random_hex(16).substr(0, 25), name, taken ? old->created : time, time, labels};
  os::store_call::make_dir_if_absent(root_, AT_FDCWD);
  const os::Path staged = os::join(root_, "." + random_hex(8));
  os::store_call::make_dir(staged, AT_FDCWD);
  os::StoreFile::create(os::join(staged, "data"), AT_FDCWD, 0600).write(data);
  os::StoreFile::create(os::join(staged, "secret.json"), AT_FDCWD)
      .write(json_text(Json{{"id", secret.id}, {"created", secret.created}, {"updated", time}, {"labels", labels}}));
  const os::Path place = os::join(root_, name);
  if (taken) {
    os::store_call::exchange(staged, AT_FDCWD, place, AT_FDCWD);
    os::remove_tree(staged);
  } else if (!os::store_call::rename_new(staged, AT_FDCWD, place, AT_FDCWD)) {
    os::remove_tree(staged);
    throw in_use();
  }
  return secret;
}

void Secrets::remove(const Secret& secret) const {
  const os::Path hidden = os::join(root_, "." + random_hex(8));
  if (os::store_call::rename_if_exists(os::join(root_, secret.name), AT_FDCWD, hidden, AT_FDCWD)) {
    os::remove_tree(hidden);
  }
}

SecretNote parse_secret_option(const std::string& text) {
  SecretNote note;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--secret={}: {}", text, why),
                "expected NAME[,type=mount|env][,target=...][,uid=...][,gid=...][,mode=...]");
  };
  const auto number = [&](std::string_view value, int base) {
    const auto parsed = parse_integer<std::uint32_t>(value, base);
    if (!parsed) refuse(fmt::format("'{}' is not a number", value));
    return *parsed;
  };
  for (const auto& field : spec::split_csv(text, "secret")) {
    const auto pair = cut(field, "=");
    if (!pair && note.name.empty()) {
      note.name = field;
    } else if (!pair) {
      refuse(fmt::format("'{}' is not KEY=VALUE", field));
    } else if (pair->first == "source" || pair->first == "id") {
      note.name = pair->second;
    } else if (pair->first == "type") {
      note.variable = pair->second == "env";
      if (pair->second != "env" && pair->second != "mount") refuse("the type is neither mount nor env");
    } else if (pair->first == "target") {
      note.target = pair->second;
    } else if (pair->first == "uid") {
      note.uid = number(pair->second, 10);
    } else if (pair->first == "gid") {
      note.gid = number(pair->second, 10);
    } else if (pair->first == "mode") {
      note.mode = number(pair->second, 8);
    } else {
      refuse(fmt::format("'{}' is unknown", pair->first));
    }
  }
  if (note.name.empty()) refuse("no name");
  if (note.target.empty()) note.target = note.name;
  if (!note.variable)
    note.target = spec::clean_path(note.target.starts_with('/') ? note.target : "/run/secrets/" + note.target);
  return note;
}

}  // namespace proa::engine
