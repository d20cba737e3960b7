#include "libcommon/spec/volumes.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include "libcommon/base/strings.h"
#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;
using spec::Mount;
using spec::MountType;

constexpr std::string_view kWorkingDir = "/some/folder";

std::string text_of(const json& in) { return in.at("text"); }

TEST(Vectors, VolumeSpec) {
  check_vectors(
      "volume-spec",
      [](const json& in) {
        Mount mount = spec::split_volume(text_of(in));
        return json{{"type", spec::mount_type_name(mount.type)},
                    {"source", mount.source},
                    {"target", mount.target},
                    {"read_only", mount.read_only},
                    {"bind", {{"propagation", mount.propagation}}},
                    {"volume", {{"nocopy", mount.no_copy}}}};
      },
      {}, without_empty_members);
}

// What the engine makes of -v: `Spec` and the fields that repeat it in other words.
TEST(Vectors, VolumeFlagEngine) {
  check_vectors(
      "volume-flag-engine",
      [](const json& in) {
        Mount mount = spec::parse_volume(text_of(in), kWorkingDir);
        bool bind = mount.type == MountType::Bind;
        auto second_colon = split(text_of(in), ':');
        json spec = {{"Type", spec::mount_type_name(mount.type)},
                     {"Source", mount.source},
                     {"Target", mount.target},
                     {"ReadOnly", mount.read_only},
                     {"BindOptions", {{"Propagation", mount.propagation}}}};
        if (!bind) spec["VolumeOptions"] = {{"NoCopy", mount.no_copy}, {"DriverConfig", {{"Name", in.at("driver")}}}};
        return json{{"Type", spec::mount_type_name(mount.type)},
                    {"Source", bind ? mount.source : ""},
                    {"Name", bind ? "" : mount.source},
                    {"Destination", mount.target},
                    {"Mode", second_colon.size() == 3 ? second_colon[2] : ""},
                    {"RW", !mount.read_only},
                    {"Propagation", bind && mount.propagation.empty() ? "rprivate" : mount.propagation},
                    {"CopyData", !bind && !mount.no_copy},
                    {"Spec", spec}};
      },
      {}, without_empty_members);
}

std::string with_placeholder(const std::string& source) {
  if (source == spec::clean_path(std::string(kWorkingDir) + "/..")) return "{cwd}/..";
  return replace_all(source, kWorkingDir, "{cwd}");
}

TEST(Vectors, CliMount) {
  check_vectors(
      "cli-mount",
      [](const json& in) {
        Mount mount = spec::parse_mount(text_of(in), kWorkingDir);
        json out = {
            {"Type", spec::mount_type_name(mount.type)},
            {"Source", with_placeholder(mount.source)},
            {"Target", mount.target},
            {"ReadOnly", mount.read_only},
            {"BindOptions",
             {{"Propagation", mount.propagation},
              {"CreateMountpoint", mount.create_source},
              {"NonRecursive", mount.non_recursive},
              {"ReadOnlyForceRecursive", mount.read_only_recursive},
              {"ReadOnlyNonRecursive", mount.read_only_non_recursive}}},
            {"VolumeOptions",
             {{"NoCopy", mount.no_copy},
              {"Labels", mount.labels},
              {"DriverConfig", {{"Name", mount.driver}, {"Options", mount.driver_options}}}}},
            {"TmpfsOptions", {{"SizeBytes", mount.tmpfs_size.value_or(0)}, {"Mode", mount.tmpfs_mode.value_or(0)}}}};
        out[mount.type == MountType::Image ? "ImageOptions" : "VolumeOptions"]["Subpath"] = mount.subpath;
        return json::array({out});
      },
      {}, without_empty_members);
}

}  // namespace
}  // namespace proa::test
