#include "tools/copy/image_tree.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

namespace proa::copy {
namespace {

TreeEntry file(std::uint64_t size, std::int64_t seconds = 1) {
  return {.mode = S_IFREG | 0644, .size = size, .seconds = seconds};
}
TreeEntry folder(std::uint32_t mode = 0755, std::int64_t seconds = 1) {
  return {.mode = S_IFDIR | mode, .seconds = seconds};
}

std::vector<std::string> lines(const ImageTree& before, const ImageTree& after) {
  std::vector<std::string> result;
  for (const auto& [kind, path] : compare_trees(before, after)) {
    const char letter = kind == ChangeKind::Added ? 'A' : kind == ChangeKind::Changed ? 'C' : 'D';
    result.push_back(std::string(1, letter) + " " + path);
  }
  return result;
}

TEST(ImageTree, ComparesAsThePeersDo) {
  const ImageTree before = {{"a", folder()},           {"a/gone", folder()}, {"a/gone/x", file(1)},
                            {"a/same", file(2)},       {"b", folder()},      {"b/changed", file(3)},
                            {"b/touched", file(4, 1)}, {"c", folder(0700)},  {"still", folder()}};
  const ImageTree after = {{"a", folder(0755, 9)}, {"a/same", file(2)},       {"b", folder()},
                           {"b/changed", file(5)}, {"b/touched", file(4, 2)}, {"c", folder(0755)},
                           {"new", folder()},      {"new/y", file(1)},        {"still", folder(0755, 7)}};
  EXPECT_THAT(lines(before, after), testing::ElementsAre("C /a", "D /a/gone", "C /b", "C /b/changed", "C /b/touched",
                                                         "C /c", "A /new", "A /new/y"));
  EXPECT_THAT(lines(before, before), testing::IsEmpty());
}

}  // namespace
}  // namespace proa::copy
