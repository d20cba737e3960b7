#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/image.h"

namespace proa::oci {
namespace {

using nlohmann::json;

const std::string kDiffId = "sha256:" + std::string(64, 'd');

json config_json() {
  return {{"created", "2026-11-23T08:00:00Z"},
          {"author", "somebody"},
          {"architecture", "arm"},
          {"variant", "v7"},
          {"os", "linux"},
          {"container", "of an old docker"},
          {"config",
           {{"User", "1000:1000"},
            {"ExposedPorts", {{"80/tcp", json::object()}, {"53/udp", json::object()}}},
            {"Env", {"PATH=/bin", "A=b"}},
            {"Entrypoint", {"/entry"}},
            {"Cmd", {"serve"}},
            {"Volumes", {{"/data", json::object()}}},
            {"WorkingDir", "/work"},
            {"Labels", {{"k", "v"}}},
            {"StopSignal", "SIGINT"},
            {"Healthcheck", {{"Test", {"CMD", "true"}}, {"Interval", 30000000000}, {"Retries", 3}}},
            {"OnBuild", {"RUN x"}},
            {"Shell", {"/bin/bash", "-c"}},
            {"ArgsEscaped", true},
            {"MacAddress", "unknown to us"}}},
          {"rootfs", {{"type", "layers"}, {"diff_ids", {kDiffId}}}},
          {"history",
           {{{"created", "2026-11-23T08:00:00Z"}, {"created_by", "RUN x"}},
            {{"created_by", "CMD"}, {"empty_layer", true}}}}};
}

TEST(ImageConfig, ReadsItsFields) {
  ImageConfig config = ImageConfig::parse(config_json().dump());
  EXPECT_EQ(config.platform.str(), "linux/arm/v7");
  EXPECT_EQ(config.user, "1000:1000");
  EXPECT_EQ(config.exposed_ports, (std::vector<std::string>{"53/udp", "80/tcp"}));
  EXPECT_EQ(config.env.size(), 2u);
  EXPECT_EQ(config.entrypoint, std::vector<std::string>{"/entry"});
  EXPECT_EQ(config.cmd, std::vector<std::string>{"serve"});
  EXPECT_EQ(config.labels.at("k"), "v");
  EXPECT_EQ(config.stop_signal, "SIGINT");
  ASSERT_TRUE(config.healthcheck);
  EXPECT_EQ(config.healthcheck->interval, 30'000'000'000);
  EXPECT_EQ(config.healthcheck->retries, 3);
  EXPECT_EQ(config.args_escaped, true);
  EXPECT_EQ(config.diff_ids.at(0).str(), kDiffId);
  ASSERT_EQ(config.history.size(), 2u);
  EXPECT_TRUE(config.history[1].empty_layer);
  EXPECT_FALSE(config.history[1].created);
}

TEST(ImageConfig, UnknownMembersSurviveEditing) {
  ImageConfig config = ImageConfig::parse(config_json().dump());
  EXPECT_EQ(json::parse(ImageConfig::encode(config).raw), config_json()) << "unchanged fields give the same document";
  config.user = "root";
  config.cmd.reset();
  config.healthcheck.reset();
  config.labels.clear();
  json expected = config_json();
  expected["config"]["User"] = "root";
  for (const char* key : {"Cmd", "Healthcheck", "Labels"}) expected["config"].erase(key);
  EXPECT_EQ(json::parse(ImageConfig::encode(config).raw), expected);
}

TEST(ImageConfig, EqualFieldsGiveEqualBytes) {
  ImageConfig first = ImageConfig::parse(config_json().dump());
  ImageConfig second = ImageConfig::parse(config_json().dump(8));
  EXPECT_EQ(ImageConfig::encode(first).raw, ImageConfig::encode(second).raw);
}

TEST(ImageConfig, UnsetDiffersFromEmpty) {
  ImageConfig config;
  config.entrypoint = std::vector<std::string>();
  ImageConfig again = ImageConfig::parse(ImageConfig::encode(config).raw);
  ASSERT_TRUE(again.entrypoint);
  EXPECT_TRUE(again.entrypoint->empty());
  EXPECT_FALSE(again.cmd);
}

TEST(ImageConfig, ReadsWhatOldToolsWrote) {
  ImageConfig config = ImageConfig::parse(
      R"({"os":"linux","config":{"Cmd":"run","Entrypoint":null,"Volumes":null,"Env":null,"Labels":null},"rootfs":null,"history":null})");
  EXPECT_EQ(config.cmd, std::vector<std::string>{"run"});
  EXPECT_FALSE(config.entrypoint);
  EXPECT_TRUE(config.diff_ids.empty());
  EXPECT_NO_THROW(ImageConfig::parse("{}"));
}

TEST(ImageConfig, RefusesWhatItCannotTrust) {
  auto refuse = [](const char* pointer, json value) {
    json body = config_json();
    body[json::json_pointer(pointer)] = std::move(value);
    try {
      ImageConfig::parse(body.dump());
      ADD_FAILURE() << pointer;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Corrupt);
      EXPECT_TRUE(error.text().starts_with("image config: ")) << error.text();
    }
  };
  refuse("/rootfs/diff_ids/0", "sha256:../../x");
  refuse("/rootfs/type", "tree");
  refuse("/config/Env", "A=b");
  refuse("/config/Env/0", 1);
  refuse("/config/Labels/k", json::array());
  refuse("/config/Healthcheck/Retries", -1);
  refuse("/config/Healthcheck/Interval", 0.5);
  refuse("/history/0", "x");
  refuse("/config", json::array());
  json many = json::array();
  for (std::size_t i = 0; i <= kMaxLayers; ++i) many.push_back(kDiffId);
  refuse("/rootfs/diff_ids", many);
  EXPECT_THROW(ImageConfig::parse("[]"), Error);
}

}  // namespace
}  // namespace proa::oci
