// A short run of the fuzz target with mutated Containerfiles; a longer one is tests/fuzz/containerfile.cpp under a
// fuzzer.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/containerfile.cpp"  // the target itself

namespace {

const std::vector<std::string> kSeeds = {
    "# syntax=x\n# escape=`\nFROM a AS b\nRUN x `\n y\n",
    "FROM a\nRUN <<EOF cat\nx\nEOF\nCOPY --chown=1:2 --from=b <<'A' <<-B /c\n\tq\nA\n\tr\nB\n",
    "ARG A=${B:-${C:+d}}\nFROM $A\nENV a=\"b c\" d='e' f=${A##*x}${A%y}${A//x/y}\nLABEL \"x y\"=z\n",
    "FROM a\nONBUILD RUN [\"a\", \"b\"]\nHEALTHCHECK --interval=5s CMD x\nEXPOSE 80-90/udp\nSHELL [\"a\"]\n",
    "FROM a\nRUN --mount=type=cache,target=/x,\"id=a,b\" --network=none x\nVOLUME [\"/a\"]\nUSER u:g\n",
    "!a/**/[b-c]*\n**/x?\\*\n# c\n!\n",
    "${A:-${B:-'\"${C}\"'}}\\$x<<EOF <<  'E'",
};
const std::vector<std::string> kPieces = {"<<EOF",    "\nEOF\n",
                                          "${",       "}",
                                          "\\",       "`",
                                          "\"",       "'",
                                          "--",       "=",
                                          "[\"",      "\"]",
                                          "**",       "!",
                                          "\n",       "\xEF\xBB\xBF",
                                          "\xC3",     std::string(1, '\0'),
                                          "ONBUILD ", "FROM ",
                                          "RUN ",     "#",
                                          "$",        "//",
                                          "%",        ":?",
                                          "/",        "[^",
                                          "-",        "]"};

std::string mutate(std::mt19937& random) {
  auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  std::string text = kSeeds[below(kSeeds.size())];
  for (std::size_t i = below(8) + 1; i > 0; --i) {
    std::size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 1:
        text.erase(at, below(8) + 1);
        break;
      case 2: {
        const std::string& other = kSeeds[below(kSeeds.size())];
        text.insert(at, other.substr(below(other.size())));
        break;
      }
      default:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
    }
  }
  return text;
}

TEST(Fuzz, MutatedContainerfilesOnlyThrowErrors) {
  std::mt19937 random(20261123);
  for (int i = 0; i < 5000; ++i) {
    std::string text = mutate(random);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
}

}  // namespace
