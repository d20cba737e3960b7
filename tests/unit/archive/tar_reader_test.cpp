#include "libcommon/archive/tar_reader.h"

#include <gmock/gmock.h>

#include "libcommon/archive/tar_writer.h"
#include "libcommon/base/error.h"
#include "tests/support/tar_builder.h"

namespace proa::archive {
namespace {

using proa::testing::TarBuilder;
using proa::testing::TarMember;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct Read {
  TarEntry entry;
  std::string content;
};

std::vector<Read> read_tar(const std::string& tar) {
  io::MemorySource source(tar);
  TarReader reader(source);
  std::vector<Read> all;
  TarEntry entry;
  while (reader.next(entry)) {
    std::string content;
    for (auto piece = reader.data(); !piece.empty(); piece = reader.data()) content += io::as_text(piece);
    all.push_back({entry, content});
  }
  return all;
}

TarEntry only_entry(const std::string& tar) {
  auto all = read_tar(tar);
  if (all.size() != 1) throw std::runtime_error("not one entry");
  return all[0].entry;
}

// "code: message", or "" when the archive was read.
std::string refusal(const std::string& tar, ErrorCode code = ErrorCode::Corrupt) {
  try {
    read_tar(tar);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

TarMember with_raw(std::size_t offset, std::string bytes) { return {.name = "f", .raw = {{offset, std::move(bytes)}}}; }

TEST(TarReader, ReadsWhatTheBuilderWrites) {
  auto all = read_tar(
      TarBuilder()
          .add({.name = "f", .content = std::string(1000, 'c'), .mode = 04755, .uid = 12, .gid = 34, .mtime = 5})
          .dir("d/")
          .symlink("s", "target")
          .hard_link("h", "f")
          .add({.name = "c", .type = '3', .dev_major = 1, .dev_minor = 3})
          .str());
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].content, std::string(1000, 'c'));
  EXPECT_EQ(all[0].entry.mode, 04755u);
  EXPECT_EQ(all[0].entry.uid, 12u);
  EXPECT_EQ(all[0].entry.gid, 34u);
  EXPECT_EQ(all[0].entry.mtime, 5);
  EXPECT_EQ(all[1].entry.kind, EntryKind::Directory);
  EXPECT_EQ(all[2].entry.link, "target");
  EXPECT_EQ(all[3].entry.kind, EntryKind::HardLink);
  EXPECT_EQ(all[4].entry.dev_minor, 3u);
}

TEST(TarReader, LongNamesOfEveryKind) {
  std::string prefix(100, 'p'), name(90, 'n');
  EXPECT_EQ(only_entry(TarBuilder().add({.name = name, .raw = {{345, prefix}}}).str()).path, prefix + "/" + name);
  // GNU's magic: what lies behind the link name are times, not a prefix.
  EXPECT_EQ(
      only_entry(TarBuilder().add({.name = name, .raw = {{345, "12345"}}, .magic = std::string("ustar  \0", 8)}).str())
          .path,
      name);
  std::string longer(300, 'l');
  auto gnu =
      TarBuilder().add({.name = "././@LongLink", .type = 'L', .content = longer + '\0'}).symlink("short", "x").str();
  EXPECT_EQ(only_entry(gnu).path, longer);
  auto pax = only_entry(
      TarBuilder().add({.name = "short", .type = '2', .pax = {{"path", longer}, {"linkpath", longer}}}).str());
  EXPECT_EQ(pax.path, longer);
  EXPECT_EQ(pax.link, longer);
}

TEST(TarReader, BytesOfNamesAreKept) {
  for (std::string name : {"latin1-\xe9\xff", "e\xcc\x81 decomposed", "new\nline", "\x1b[31m", "back\\slash"}) {
    EXPECT_EQ(only_entry(TarBuilder().file(name).str()).path, name);
    EXPECT_EQ(only_entry(TarBuilder().add({.name = "x", .pax = {{"path", name}}}).str()).path, name);
  }
}

TEST(TarReader, TimesBefore1970AndFractions) {
  EXPECT_EQ(only_entry(TarBuilder().add({.name = "f", .mtime = -315619200}).str()).mtime, -315619200);
  auto entry = only_entry(TarBuilder().add({.name = "f", .pax = {{"mtime", "-1.25"}}}).str());
  EXPECT_EQ(entry.mtime, -2);
  EXPECT_EQ(entry.mtime_ns, 750'000'000u);
  EXPECT_EQ(only_entry(TarBuilder().add({.name = "f", .pax = {{"mtime", "16.1234567891"}}}).str()).mtime_ns,
            123'456'789u);
}

TEST(TarReader, NumbersThatAreNone) {
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(124, "0000000zzz1")).str()), HasSubstr("malformed size"));
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(108, "12 34 7")).str()), HasSubstr("malformed uid"));
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(136, "nan")).str()), HasSubstr("malformed mtime"));
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(100, "0x1ff")).str()), HasSubstr("malformed mode"));
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(124, std::string(12, '\xff'))).str()), HasSubstr("negative size"));
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(108, std::string(8, '\xff'))).str()), HasSubstr("negative uid"));
  // Beyond 63 bits in base 256.
  EXPECT_THAT(refusal(TarBuilder().add(with_raw(124, "\x80\x01" + std::string(10, '\0'))).str()),
              HasSubstr("malformed size"));
  for (const char* value : {"nan", "", "1e9", "-", "--1", "99999999999999999999", "1.5x"}) {
    TarMember member{.name = "f", .pax = {{"mtime", value}}};
    if (*value == '\0') {
      EXPECT_EQ(refusal(TarBuilder().add(member).str()), "");  // an empty record is taken back
    } else {
      EXPECT_THAT(refusal(TarBuilder().add(member).str()), HasSubstr("mtime")) << value;
    }
  }
  for (const char* key : {"uid", "gid", "size"}) {
    for (const char* value : {"-1", "1x", "99999999999999999999", " 1", "+1"}) {
      EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .pax = {{key, value}}}).str()), HasSubstr(key)) << value;
    }
  }
  EXPECT_THAT(refusal(TarBuilder().add({.name = "d", .type = '3', .raw = {{329, "7777777"}}}).str()),
              HasSubstr("device number"));
}

TEST(TarReader, SizeInPaxAndHeaderMustAgree) {
  // Readers without PAX would take the five bytes for content, and what follows for another member.
  TarMember member{.name = "f", .content = "12345", .pax = {{"size", "512"}}};
  EXPECT_THAT(refusal(TarBuilder().add(member).bytes(std::string(512, '\0')).str()), HasSubstr("differ"));
  member.raw = {{124, "00000000000"}};
  member.pax = {{"size", "5"}};
  EXPECT_EQ(read_tar(TarBuilder().add(member).str()).at(0).content, "12345");
}

TEST(TarReader, BrokenExtendedHeaders) {
  for (std::string body :
       {std::string("x"), std::string("5 a=b\n"), std::string("99 path=f\n"), std::string("6 a=b\n6 a=b"),
        std::string("0 a=b\n"), std::string("-6 a=b\n"), std::string("6 =ab\n"), std::string("5 ab\n"),
        std::string("99999999999999999999 a=b\n"), std::string(100, '\0')}) {
    EXPECT_NE(refusal(TarBuilder().add({.name = "p", .type = 'x', .content = body}).file("f").str()), "") << body;
  }
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .pax = {{"path", std::string("a\0b", 3)}}}).str()),
              HasSubstr("NUL"));
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .pax = {{"linkpath", std::string("a\0b", 3)}}}).str()),
              HasSubstr("NUL"));
  // Two of them, one without an entry, and one that contradicts a long name of GNU's.
  auto header =
      TarBuilder().add({.name = "p", .type = 'x', .content = proa::testing::pax_record("path", "a")}).open_end();
  EXPECT_THAT(refusal(header + header + TarBuilder().file("f").str()), HasSubstr("two extended headers"));
  EXPECT_THAT(refusal(header + std::string(1024, '\0')), HasSubstr("ends after an extended header"));
  EXPECT_THAT(refusal(TarBuilder().add({.name = "L", .type = 'L', .content = "b"}).bytes(header).file("f").str()),
              HasSubstr("two long names"));
}

TEST(TarReader, ExtendedHeadersHaveACeiling) {
  std::string huge(2 << 20, 'n');
  EXPECT_NE(refusal(TarBuilder().add({.name = "f", .pax = {{"comment", huge}}}).str(), ErrorCode::LimitExceeded), "");
  EXPECT_NE(
      refusal(TarBuilder().add({.name = "L", .type = 'L', .content = huge}).file("f").str(), ErrorCode::LimitExceeded),
      "");
  // Only said to be huge: nothing is allocated for it.
  EXPECT_NE(refusal(TarBuilder().add({.name = "x", .type = 'x', .raw = {{124, "77777777777"}}}).str(),
                    ErrorCode::LimitExceeded),
            "");
}

TEST(TarReader, GlobalHeadersMayOnlyComment) {
  auto global = [](std::string_view key) {
    return TarBuilder().add({.name = "g", .type = 'g', .content = proa::testing::pax_record(key, "1")}).file("f").str();
  };
  EXPECT_EQ(refusal(global("comment")), "");
  for (const char* key :
       {"path", "linkpath", "size", "uid", "gid", "mtime", "SCHILY.xattr.user.a", "GNU.sparse.major"}) {
    EXPECT_THAT(refusal(global(key), ErrorCode::Unsupported), HasSubstr("global header")) << key;
  }
}

TEST(TarReader, WhatFollowsTheEndIsRefused) {
  EXPECT_EQ(refusal(TarBuilder().file("f").str() + std::string(9000, '\0')), "");
  EXPECT_EQ(refusal(TarBuilder().file("f").open_end()), "");  // no end mark at all: GNU tar and Go accept it
  EXPECT_THAT(refusal(TarBuilder().file("f").str() + "x"), HasSubstr("after the end"));
  EXPECT_THAT(refusal(TarBuilder().file("f").str() + TarBuilder().file("hidden").str()), HasSubstr("after the end"));
  // A single block of zeros ends the archive for some, and is skipped by others.
  EXPECT_THAT(refusal(std::string(512, '\0') + TarBuilder().file("f").str()), HasSubstr("after the end"));
  EXPECT_EQ(refusal(""), "");
}

TEST(TarReader, EveryTruncationInsideAnEntryIsCorrupt) {
  auto tar = TarBuilder().add({.name = "f", .content = std::string(700, 'x'), .pax = {{"mtime", "1.5"}}}).open_end();
  for (std::size_t length = 1; length < tar.size(); length += 37) {
    // Before the padding is complete, all data is there: the end of the input is accepted nowhere else.
    ASSERT_NE(refusal(tar.substr(0, length)), "") << length;
  }
}

TEST(TarReader, ChecksumsAreChecked) {
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .good_checksum = false}).str()), HasSubstr("checksum"));
  EXPECT_NE(refusal(std::string(2048, 'x')), "");
}

TEST(TarReader, TypesThatDisagreeWithTheirData) {
  for (char type : {'1', '2', '3', '4', '5', '6'}) {
    EXPECT_THAT(refusal(TarBuilder().add({.name = "x", .type = type, .content = "data", .link = "y"}).str()),
                HasSubstr("with data"))
        << type;
  }
  for (char type : {'M', 'D', 'N', 'A', 'z', '\x1b'}) {
    EXPECT_NE(refusal(TarBuilder().add({.name = "x", .type = type}).str(), ErrorCode::Unsupported), "") << type;
  }
  EXPECT_THAT(refusal(TarBuilder().add({.name = "dir/", .type = '0'}).str()), HasSubstr("name of a directory"));
  EXPECT_EQ(only_entry(TarBuilder().add({.name = "dir/", .type = '\0', .magic = std::string(8, '\0')}).str()).kind,
            EntryKind::Directory);
  EXPECT_THAT(refusal(TarBuilder().file("").str()), HasSubstr("without a name"));
}

// Sparse files.

std::string gnu_sparse(std::uint64_t offset, std::uint64_t size, std::uint64_t real_size, std::string content) {
  auto octal = [](std::uint64_t value) {
    char text[16];
    std::snprintf(text, sizeof text, "%011llo", static_cast<unsigned long long>(value));
    return std::string(text, 12);
  };
  return TarBuilder()
      .add({.name = "s",
            .type = 'S',
            .content = std::move(content),
            .raw = {{345, std::string(155, '\0')}, {386, octal(offset) + octal(size)}, {483, octal(real_size)}},
            .magic = std::string("ustar  \0", 8)})
      .str();
}

std::string pax_sparse(std::string map, std::string content, std::string real_size) {
  map.resize((map.size() + 511) / 512 * 512, '\0');
  return TarBuilder()
      .add({.name = "GNUSparseFile.0/s",
            .content = map + content,
            .pax = {{"GNU.sparse.major", "1"},
                    {"GNU.sparse.minor", "0"},
                    {"GNU.sparse.name", "s"},
                    {"GNU.sparse.realsize", real_size}}})
      .str();
}

TEST(TarReader, SparseFilesInAllFourForms) {
  const std::vector<SparseRegion> regions{{4096, 3}};
  auto check = [&](const std::string& tar, const char* form) {
    auto all = read_tar(tar);
    ASSERT_EQ(all.size(), 1u) << form;
    EXPECT_EQ(all[0].entry.path, "s") << form;
    EXPECT_EQ(all[0].entry.size, 10000u) << form;
    EXPECT_EQ(all[0].entry.regions, regions) << form;
    EXPECT_EQ(all[0].content, "abc") << form;
  };
  check(gnu_sparse(4096, 3, 10000, "abc"), "old GNU");
  check(pax_sparse("1\n4096\n3\n", "abc", "10000"), "1.0");
  check(TarBuilder()
            .add({.name = "x",
                  .content = "abc",
                  .pax = {{"GNU.sparse.name", "s"},
                          {"GNU.sparse.size", "10000"},
                          {"GNU.sparse.numblocks", "1"},
                          {"GNU.sparse.map", "4096,3"}}})
            .str(),
        "0.1");
  check(TarBuilder()
            .add({.name = "s",
                  .content = "abc",
                  .pax = {{"GNU.sparse.size", "10000"},
                          {"GNU.sparse.numblocks", "1"},
                          {"GNU.sparse.offset", "4096"},
                          {"GNU.sparse.numbytes", "3"}}})
            .str(),
        "0.0");
}

TEST(TarReader, SparseMapsThatLie) {
  EXPECT_NE(refusal(gnu_sparse(9999, 3, 10000, "abc")), "");                           // beyond the end
  EXPECT_NE(refusal(gnu_sparse(0, 2, 10000, "abc")), "");                              // less than the data
  EXPECT_NE(refusal(pax_sparse("2\n4096\n2\n4097\n1\n", "abc", "10000")), "");         // overlap
  EXPECT_NE(refusal(pax_sparse("2\n4096\n2\n0\n1\n", "abc", "10000")), "");            // backwards
  EXPECT_NE(refusal(pax_sparse("1\n18446744073709551615\n3\n", "abc", "10000")), "");  // overflows when added
  EXPECT_NE(refusal(pax_sparse("1\n4096\n9223372036854775807\n", "abc", "10000")), "");
  EXPECT_NE(refusal(pax_sparse("1\n-1\n3\n", "abc", "10000")), "");
  EXPECT_NE(refusal(pax_sparse("5\n1\n", "", "10000")), "");  // cut off
  EXPECT_NE(refusal(pax_sparse("1\n" + std::string(600, '1'), "", "10000")), "");
}

TEST(TarReader, SparseMapWithoutEndIsNotCollected) {
  std::string map = "9000000\n";
  for (int i = 0; i < 300'000; ++i) map += "0\n0\n";
  EXPECT_NE(refusal(pax_sparse(map, "", "1"), ErrorCode::LimitExceeded), "");
  map.replace(0, 7, "0262144");
  EXPECT_NE(refusal(pax_sparse(map, "", "1"), ErrorCode::LimitExceeded), "");
  // Old form: blocks that always say that another one follows.
  std::string more(504, '\0');
  more += std::string("\1\0\0\0\0\0\0\0", 8);
  std::string blocks;
  for (int i = 0; i < 3000; ++i) blocks += more;
  auto tar = TarBuilder()
                 .add({.name = "s",
                       .type = 'S',
                       .raw = {{345, std::string(155, '\0')}, {482, "\1"}, {483, "00000000000"}},
                       .magic = std::string("ustar  \0", 8)})
                 .bytes(blocks)
                 .str();
  EXPECT_NE(refusal(tar, ErrorCode::LimitExceeded), "");
}

// The writer, read back.

std::string write_tar(const std::vector<std::pair<TarEntry, std::string>>& entries) {
  io::StringSink out;
  TarWriter writer(out);
  for (const auto& [entry, content] : entries) {
    writer.begin(entry);
    writer.write(io::as_bytes(content));
    writer.end();
  }
  writer.finish();
  return out.text();
}

TEST(TarWriter, EverythingSurvives) {
  TarEntry entry;
  entry.mode = 06755;
  entry.xattrs = {{"user.bin", std::string("\0\1=\n\xff", 5)}, {"user.text", "hello"}};
  for (std::string path : {std::string("f"), std::string(255, 'n'), "d/" + std::string(255, 'n'),
                           std::string(100, 'a') + "/" + std::string(100, 'b'),
                           "latin1-\xe9/" + std::string(200, '\xff'), std::string(4000, 'p').replace(200, 1, "/")}) {
    for (std::int64_t mtime : {std::int64_t{0}, std::int64_t{-315619200}, std::int64_t{1} << 40}) {
      for (std::uint64_t id : {0u, 65535u, 2097151u, 2097152u, 4294967294u}) {
        entry.path = path;
        entry.mtime = mtime;
        entry.mtime_ns = mtime < 0 ? 250'000'000 : 0;
        entry.uid = entry.gid = id;
        entry.size = entry.stored_size = 3;
        auto all = read_tar(write_tar({{entry, "abc"}}));
        ASSERT_EQ(all.size(), 1u);
        const auto& back = all[0].entry;
        EXPECT_EQ(back.path, path);
        EXPECT_EQ(back.mtime, mtime);
        EXPECT_EQ(back.mtime_ns, entry.mtime_ns);
        EXPECT_EQ(back.uid, id);
        EXPECT_EQ(back.mode, 06755u);
        EXPECT_EQ(back.xattrs, entry.xattrs);
        EXPECT_EQ(all[0].content, "abc");
      }
    }
  }
}

TEST(TarWriter, SparseFilesSurvive) {
  TarEntry entry;
  entry.path = "dir/sparse";
  entry.sparse = true;
  entry.size = 1ull << 40;
  entry.regions = {{0, 3}, {1ull << 30, 2}, {1ull << 40, 0}};
  entry.stored_size = 5;
  auto all = read_tar(write_tar({{entry, "abcde"}}));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].entry.path, "dir/sparse");
  EXPECT_EQ(all[0].entry.size, entry.size);
  EXPECT_EQ(all[0].entry.regions, entry.regions);
  EXPECT_EQ(all[0].content, "abcde");
}

TEST(TarWriter, PlainEntriesNeedNoExtendedHeader) {
  TarEntry entry;
  entry.path = "usr/bin/env";
  entry.size = entry.stored_size = 1;
  EXPECT_EQ(write_tar({{entry, "x"}}).size(), 512u + 512u + 1024u);
}

}  // namespace
}  // namespace proa::archive
