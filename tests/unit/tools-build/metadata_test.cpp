#include "tools/build/steps/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "tools/build/cache/key.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {
namespace {

using ::testing::ElementsAre;

class Metadata : public ::testing::Test {
 protected:
  oci::ImageConfig apply(const std::string& lines, oci::ImageConfig base = {}) {
    StageState state{std::move(base), Scope(args_, none_, none_, '\\')};
    Containerfile file = parse_containerfile("FROM scratch\n" + lines);
    for (const Instruction& instruction : file.stages[0].instructions) {
      EXPECT_TRUE(apply_metadata(instruction, state).has_value()) << instruction.original;
    }
    return state.config;
  }

  BuildArgs args_{Variables{}};
  Variables none_;
};

TEST_F(Metadata, EnvExpandsByWhatWasSetBefore) {
  oci::ImageConfig config = apply("ENV A=1 B=2\nENV A=x B=$A C=\"$B y\"\nENV OLD form  of $A\n");
  EXPECT_THAT(config.env, ElementsAre("A=x", "B=1", "C=2 y", "OLD=form  of x"));
}

TEST_F(Metadata, EntrypointResetsTheCommandOfTheBaseOnly) {
  oci::ImageConfig base;
  base.cmd = {"base"};
  EXPECT_FALSE(apply("ENTRYPOINT [\"e\"]\n", base).cmd.has_value());
  EXPECT_THAT(*apply("CMD [\"c\"]\nENTRYPOINT [\"e\"]\n", base).cmd, ElementsAre("c"));
  EXPECT_THAT(*apply("SHELL [\"/bin/bash\", \"-ec\"]\nCMD a b\n").cmd, ElementsAre("/bin/bash", "-ec", "a b"));
}

TEST_F(Metadata, TheRest) {
  oci::ImageConfig config = apply(
      "ARG P=81\nLABEL \"a b\"=c d='e f'\nEXPOSE 80 $P/udp 90-91\nUSER u:g\nVOLUME /v [\"/w\"]\nSTOPSIGNAL "
      "SIGINT\nONBUILD RUN x\n"
      "HEALTHCHECK --interval=5s --retries=2 CMD check\nMAINTAINER me\n");
  EXPECT_EQ(config.labels.at("a b"), "c");
  EXPECT_EQ(config.labels.at("d"), "e f");
  EXPECT_THAT(config.exposed_ports, ElementsAre("80/tcp", "81/udp", "90/tcp", "91/tcp"));
  EXPECT_EQ(config.user, "u:g");
  EXPECT_EQ(config.stop_signal, "SIGINT");
  EXPECT_THAT(config.on_build, ElementsAre("RUN x"));
  EXPECT_EQ(config.healthcheck->interval, 5'000'000'000);
  EXPECT_EQ(config.author, "me");
}

TEST_F(Metadata, BadValuesAreRefused) {
  EXPECT_THROW(apply("STOPSIGNAL SIGNOPE\n"), Error);
  EXPECT_THROW(apply("EXPOSE http\n"), Error);
  EXPECT_THROW(apply("VOLUME $EMPTY\n"), Error);
}

TEST(WorkdirPath, JoinsAndCleans) {
  EXPECT_EQ(join_workdir("", "a/b"), "/a/b");
  EXPECT_EQ(join_workdir("/x", "../../y/"), "/y");
  EXPECT_EQ(join_workdir("/x", "/z/."), "/z");
}

TEST(CacheKey, FieldsDoNotRunTogether) {
  auto key = [](const std::string& name, const std::string& value) {
    return KeyBuilder("k").add(name, value).finish();
  };
  EXPECT_NE(key("ab", "c"), key("a", "bc"));
  EXPECT_NE(KeyBuilder("k").add("n", std::vector<std::string>{"a", "b"}).finish(),
            KeyBuilder("k").add("n", std::vector<std::string>{"a:1:b"}).finish());
  EXPECT_NE(KeyBuilder("x").finish(), KeyBuilder("y").finish());
  EXPECT_EQ(key("a", "b"), key("a", "b"));
}

}  // namespace
}  // namespace proa::build
