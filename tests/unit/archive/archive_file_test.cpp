// docker-archive and oci-archive files, and tarballs to import.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <functional>

#include "libcommon/archive/archive_reader.h"
#include "libcommon/archive/archive_writer.h"
#include "libcommon/archive/import.h"
#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"
#include "libcommon/os/dir.h"
#include "tests/support/environment.h"
#include "tests/support/tar_builder.h"

namespace proa::archive {
namespace {

using proa::testing::TarBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArchiveFile : public ::testing::Test {
 protected:
  ArchiveReader open(const std::string& bytes) {
    return ArchiveReader::open(os::open(temp_.write("a.tar", bytes), O_RDONLY), "a.tar", temp_.path());
  }
  std::string refusal(const std::string& bytes, ErrorCode code = ErrorCode::Corrupt) {
    try {
      open(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "not refused";
  }
  proa::testing::TempDir temp_;
};

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

std::string through(const std::string& data, const char* filter) {
  io::StringSink out;
  struct ::archive* a = archive_write_new();
  archive_write_add_filter_by_name(a, filter);
  archive_write_set_format_raw(a);
  std::vector<char> buffer(1 << 20);
  std::size_t used = 0;
  archive_write_open_memory(a, buffer.data(), buffer.size(), &used);
  auto* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(a, entry);
  archive_write_data(a, data.data(), data.size());
  archive_write_close(a);
  archive_entry_free(entry);
  archive_write_free(a);
  return {buffer.data(), used};
}

TEST_F(ArchiveFile, WhatIsWrittenIsRead) {
  io::StringSink out;
  ArchiveWriter writer(out);
  writer.add_directory("blobs/sha256");
  writer.add_file("oci-layout", "{}");
  io::MemorySource content(std::string(700'000, 'b'));
  writer.add_file("blobs/sha256/b", 700'000, content);
  writer.add_symlink("blobs/latest", "sha256/b");
  writer.finish();
  auto reader = open(out.text());
  EXPECT_THAT(reader.members(), ElementsAre("blobs/sha256/b", "oci-layout"));
  EXPECT_EQ(reader.read_member("./oci-layout", 100), "{}");
  EXPECT_EQ(reader.size("blobs//latest"), 700'000u);
  // Side by side, from one descriptor.
  auto first = reader.open_member("blobs/latest"), second = reader.open_member("oci-layout");
  EXPECT_EQ(io::read_all(*second, 10, "x"), "{}");
  EXPECT_EQ(io::read_all(*first, 1 << 20, "x"), std::string(700'000, 'b'));
}

TEST_F(ArchiveFile, WriterWantsExactlyTheAnnouncedBytes) {
  for (std::uint64_t size : {2u, 4u}) {
    io::NullSink out;
    ArchiveWriter writer(out);
    io::MemorySource content("abc");
    EXPECT_EQ(code_of([&] { writer.add_file("f", size, content); }), ErrorCode::Corrupt);
  }
}

TEST_F(ArchiveFile, CompressedArchivesAndPipesAreSpooled) {
  auto tar = TarBuilder().file("manifest.json", "[]").str();
  io::StringSink gz;
  auto sink = io::compress(gz, io::Compression::Gzip);
  sink->write(io::as_bytes(tar));
  sink->finish();
  EXPECT_EQ(open(gz.text()).read_member("manifest.json", 10), "[]");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], gz.text().data(), gz.text().size()), static_cast<ssize_t>(gz.text().size()));
  ::close(ends[1]);
  auto reader = ArchiveReader::open(os::UniqueFd(ends[0]), "standard input", temp_.path());
  EXPECT_EQ(reader.read_member("manifest.json", 10), "[]");
  EXPECT_EQ(os::list_dir(temp_.path()), std::vector<std::string>{"a.tar"});  // nothing left in the staging folder
}

TEST_F(ArchiveFile, LinksAreFollowedInsideOnly) {
  auto reader = open(TarBuilder()
                         .file("a/layer.tar", "layer")
                         .symlink("b/layer.tar", "../a/layer.tar")
                         .symlink("c", "/b/layer.tar")
                         .hard_link("h", "a/layer.tar")
                         .symlink("out", "../../../../etc/passwd")
                         .symlink("abs", "/etc/passwd")
                         .symlink("x", "y")
                         .symlink("y", "x")
                         .str());
  for (const char* name : {"b/layer.tar", "c", "h", "/c", "zz/../c"})
    EXPECT_EQ(reader.read_member(name, 10), "layer") << name;
  EXPECT_EQ(code_of([&] { reader.size("out"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { reader.size("abs"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { reader.size("x"); }), ErrorCode::Corrupt);
  EXPECT_EQ(code_of([&] { reader.size("../../etc/passwd"); }), ErrorCode::NotFound);
}

TEST_F(ArchiveFile, HostileArchivesAreRefused) {
  EXPECT_THAT(refusal("not a tar"), HasSubstr("no tar"));
  EXPECT_THAT(refusal(""), HasSubstr("no tar"));
  EXPECT_THAT(refusal(TarBuilder().file("m", "1").file("./m", "2").str()), HasSubstr("two members"));
  EXPECT_THAT(refusal(TarBuilder().add({.name = "m", .raw = {{124, "00077777777"}}}).str()), HasSubstr(""));
  EXPECT_THAT(refusal(TarBuilder().add({.name = "p", .type = '6'}).str(), ErrorCode::Unsupported), HasSubstr("FIFO"));
  auto reader = open(TarBuilder().file("manifest.json", std::string(5000, ' ')).str());
  EXPECT_EQ(code_of([&] { reader.read_member("manifest.json", 4999); }), ErrorCode::LimitExceeded);
  EXPECT_EQ(code_of([&] { ArchiveReader::open(os::open(temp_.path(), O_RDONLY | O_DIRECTORY), "d", temp_.path()); }),
            ErrorCode::InvalidArgument);
}

TEST(Import, EveryCompressionOfTarballs) {
  const std::string tar = TarBuilder().file("etc/passwd", std::string(50'000, 'p')).str();
  for (const char* filter : {"bzip2", "xz", "lzma", "gzip"}) {
    std::string packed = through(tar, filter);
    ASSERT_LT(packed.size(), tar.size()) << filter;
    auto source = decompress_import(std::make_unique<io::MemorySource>(packed));
    EXPECT_EQ(io::read_all(*source, 1 << 20, "x"), tar) << filter;
    EXPECT_EQ(code_of([&] {
                auto cut = decompress_import(std::make_unique<io::MemorySource>(packed.substr(0, packed.size() / 2)));
                io::read_all(*cut, 1 << 20, "x");
              }),
              ErrorCode::Corrupt)
        << filter;
  }
  auto plain = decompress_import(std::make_unique<io::MemorySource>(tar));
  EXPECT_EQ(io::read_all(*plain, 1 << 20, "x"), tar);
}

TEST(Import, KnowsTarFromOtherFiles) {
  EXPECT_TRUE(looks_like_tar(io::as_bytes(TarBuilder().file("f").str())));
  EXPECT_FALSE(looks_like_tar(io::as_bytes(std::string(512, '\0'))));
  EXPECT_FALSE(looks_like_tar(io::as_bytes(std::string(512, 'x'))));
  EXPECT_FALSE(looks_like_tar(io::as_bytes("short")));
}

}  // namespace
}  // namespace proa::archive
