#include "libcommon/store/lists.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/store_file.h"
#include "tests/unit/store/store_fixture.h"

namespace proa::store {
namespace {

oci::Descriptor entry(const std::string& text) {
  return {.media_type = std::string(oci::kOciManifest),
          .digest = io::digest_of(text),
          .size = text.size(),
          .urls = {},
          .annotations = {{"a", "b"}},
          .platform = oci::Platform::parse("linux/arm64/v8"),
          .artifact_type = {}};
}

ImageList with_entry(ImageList list, const std::string& text) {
  list.index.manifests.push_back(entry(text));
  list.sources.insert_or_assign(io::digest_of(text), "docker://example.com/" + text);
  return list;
}

class Lists : public StoreTest {
 protected:
  void put(const oci::Reference& name, const std::string& text) {
    edit_list(store(), name, [&](std::optional<ImageList> present) {
      return with_entry(present ? std::move(*present) : new_list(name), text);
    });
  }
  Store& store() { return store_; }
  Store store_ = open_store();
  const oci::Reference name_ = oci::Reference::parse_normalized("list:1");
};

TEST_F(Lists, KeepEntriesAndWhereTheyAre) {
  EXPECT_FALSE(find_list(store(), name_));
  EXPECT_TRUE(all_lists(store()).empty());
  put(name_, "one");
  put(name_, "two");
  const auto list = find_list(store(), name_);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->name, name_);
  ASSERT_EQ(list->index.manifests.size(), 2U);
  EXPECT_EQ(list->index.manifests[1], entry("two"));
  EXPECT_EQ(list->sources.at(io::digest_of("one")), "docker://example.com/one");
  EXPECT_EQ(list->id(), new_list(name_).id());
  EXPECT_EQ(all_lists(store()).size(), 1U);
  EXPECT_TRUE(remove_list(store(), name_));
  EXPECT_FALSE(remove_list(store(), name_));
  EXPECT_TRUE(all_lists(store()).empty());
}

TEST_F(Lists, AreWholeWhateverFails) {
  for (std::uint64_t nth = 1;; ++nth) {
    ASSERT_LT(nth, 100U);
    remove_list(store(), name_);
    put(name_, "one");
    os::Failpoint::arm(nth, ENOSPC);
    bool failed = false;
    try {
      put(name_, "two");
    } catch (const Error&) {
      failed = true;
    }
    os::Failpoint::disarm();
    const auto list = find_list(store(), name_);
    ASSERT_TRUE(list);
    ASSERT_EQ(list->index.manifests.front(), entry("one"));
    ASSERT_EQ(all_lists(store()).size(), 1U);
    if (!failed) break;
  }
  EXPECT_EQ(find_list(store(), name_)->index.manifests.back(), entry("two"));
}

}  // namespace
}  // namespace proa::store
