#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/spec/capabilities.h"
#include "libcommon/spec/devices.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/hosts.h"
#include "libcommon/spec/ulimits.h"
#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;

std::string text_of(const json& in) { return in.at("text"); }

std::vector<std::string> strings_of(const json& list) {
  return list.is_null() ? std::vector<std::string>() : list.get<std::vector<std::string>>();
}

json list_or_null(const std::vector<std::string>& list) { return list.empty() ? json() : json(list); }

spec::Lookup lookup_in(const json& in) {
  return [&in](std::string_view name) -> std::optional<std::string> {
    auto environment = in.find("environment");
    if (environment == in.end() || !environment->contains(name)) return std::nullopt;
    return environment->at(std::string(name)).get<std::string>();
  };
}

TEST(Vectors, Ulimit) {
  check_vectors("ulimit", [](const json& in) {
    auto limit = spec::parse_ulimit(text_of(in));
    return json{{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}};
  });
}
TEST(Vectors, EnvFile) {
  check_vectors("env-file",
                [](const json& in) { return list_or_null(spec::parse_env_file(text_of(in), "env", lookup_in(in))); });
}
TEST(Vectors, EnvFiles) {
  check_vectors("env-files", [](const json& in) {
    std::vector<std::string> from_files;
    for (const auto& file : in.at("files")) {
      for (auto& line : spec::parse_env_file(file.get<std::string>(), "env", lookup_in(in)))
        from_files.push_back(std::move(line));
    }
    return list_or_null(spec::collect_env(from_files, strings_of(in.at("overrides")), lookup_in(in)));
  });
}
TEST(Vectors, CliEnv) {
  check_vectors("cli-env", [](const json& in) { return json(spec::parse_env(text_of(in), lookup_in(in))); });
}
TEST(Vectors, CliLabel) {
  check_vectors("cli-label", [](const json& in) {
    auto label = spec::parse_label(text_of(in));
    return json(text_of(in).find('=') == std::string::npos ? label.key : label.key + "=" + label.value);
  });
}
TEST(Vectors, CliCapNormalize) {
  check_vectors("cli-cap-normalize", [](const json& in) { return json(spec::normalize_capability(text_of(in))); });
}
TEST(Vectors, CliCapAddDrop) {
  check_vectors("cli-cap-add-drop", [](const json& in) {
    auto changes = spec::normalize_capabilities(strings_of(in.at("add")), strings_of(in.at("drop")));
    return json{{"add", list_or_null(changes.add)}, {"drop", list_or_null(changes.drop)}};
  });
}
TEST(Vectors, CliAddHost) {
  check_vectors("cli-add-host", [](const json& in) {
    auto entry = spec::parse_add_host(text_of(in));
    return json(entry.names.at(0) + ":" + entry.address);
  });
}
TEST(Vectors, CliIp) {
  check_vectors("cli-ip", [](const json& in) { return json(spec::parse_ip(text_of(in))); });
}
TEST(Vectors, CliDnsSearch) {
  check_vectors("cli-dns-search", [](const json& in) { return json(spec::parse_dns_search(text_of(in))); });
}
TEST(Vectors, CliDevice) {
  check_vectors("cli-device", [](const json& in) {
    auto device = spec::parse_device(text_of(in));
    std::string out = device.container_path;
    if (device.host_path != device.container_path) out.insert(0, device.host_path + ":");
    return json(device.access.empty() ? out : out + ":" + device.access);
  });
}

}  // namespace
}  // namespace proa::test
