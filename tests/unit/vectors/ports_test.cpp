#include "libcommon/spec/ports.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;

std::string text_of(const json& in) { return in.at("text"); }

json binding(const spec::PortMapping& mapping) {
  return {{"HostIp", mapping.host_ip}, {"HostPort", mapping.host_text()}};
}

json exposed(const std::vector<std::string>& texts) {
  json list = json::array();
  for (const auto& text : texts) {
    for (const auto& mapping : spec::parse_expose(text)) list.push_back(mapping.container_text());
  }
  return list;
}

TEST(Vectors, PortNumber) {
  check_vectors("port-number", [](const json& in) { return json(spec::parse_port_number(text_of(in))); });
}
TEST(Vectors, PortRange) {
  check_vectors("port-range", [](const json& in) {
    auto range = spec::parse_port_range(text_of(in));
    return json{range.first, range.last};
  });
}
TEST(Vectors, PortProtoSplit) {
  check_vectors("port-proto-split", [](const json& in) {
    auto parts = spec::split_protocol(text_of(in));
    return json{{"port", parts.port}, {"proto", parts.protocol}};
  });
}
TEST(Vectors, PortSpec) {
  check_vectors("port-spec", [](const json& in) {
    json list = json::array();
    for (const auto& mapping : spec::parse_publish(text_of(in))) {
      list.push_back({{"Port", mapping.container_text()}, {"Binding", binding(mapping)}});
    }
    return list;
  });
}
TEST(Vectors, PortSpecs) {
  check_vectors("port-specs", [](const json& in) {
    json out = {{"bindings", json::object()}, {"exposed", json::object()}};
    for (const auto& text : in.at("specs")) {
      for (const auto& mapping : spec::parse_publish(text.get<std::string>())) {
        out["bindings"][mapping.container_text()].push_back(binding(mapping));
        out["exposed"][mapping.container_text()] = json::object();
      }
    }
    return out;
  });
}
TEST(Vectors, ExposePort) {
  check_vectors("expose-port", [](const json& in) { return exposed({in.at("port").get<std::string>()}); });
}
TEST(Vectors, ExposePorts) {
  check_vectors("expose-ports", [](const json& in) { return exposed(in.at("ports")); });
}
TEST(Vectors, PublishConvert) {
  check_vectors("cli-publish-convert", [](const json& in) {
    json list = json::array();
    for (const auto& text : in.at("ports")) list.push_back(spec::short_publish_form(text.get<std::string>()));
    return list;
  });
}

}  // namespace
}  // namespace proa::test
