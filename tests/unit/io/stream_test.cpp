#include "libcommon/io/stream.h"

#include <gmock/gmock.h>

#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/io/pipe.h"

namespace proa::io {
namespace {

using testing::HasSubstr;

std::unique_ptr<Source> memory(std::string text) { return std::make_unique<MemorySource>(std::move(text)); }

std::string failure_of(Source& source, ErrorCode code) {
  try {
    read_all(source, 1 << 20, "test");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(Stream, ReadAllStopsAtItsCeiling) {
  auto source = memory("12345");
  EXPECT_EQ(read_all(*source, 5, "x"), "12345");
  source = memory("123456");
  EXPECT_THROW(read_all(*source, 5, "x"), Error);
}

TEST(Stream, LimitAllowsExactlyTheLimit) {
  LimitSource exact(memory("12345"), 5, "body");
  EXPECT_EQ(read_all(exact, 100, "x"), "12345");
  LimitSource over(memory("123456"), 5, "body");
  EXPECT_THAT(failure_of(over, ErrorCode::LimitExceeded), HasSubstr("body"));
}

TEST(Stream, TeeCopiesWhatIsRead) {
  auto inner = memory("abc");
  StringSink copy;
  TeeSource tee(*inner, copy);
  EXPECT_EQ(read_all(tee, 100, "x"), "abc");
  EXPECT_EQ(copy.text(), "abc");
}

TEST(Digest, KnownValues) {
  EXPECT_EQ(digest_of(std::string_view("abc")).str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of(as_bytes("abc"), oci::DigestAlgorithm::Sha512).hex().substr(0, 16), "ddaf35a193617aba");
  StringSink out;
  HashingSink sink(out);
  sink.write(as_bytes("a"));
  sink.write(as_bytes("bc"));
  EXPECT_EQ(sink.size(), 3u);
  EXPECT_EQ(sink.digest(), digest_of(std::string_view("abc")));
}

TEST(Verify, GoodDataPasses) {
  VerifyingSource source(memory("abc"), digest_of(std::string_view("abc")), 3, "blob");
  EXPECT_EQ(read_all(source, 100, "x"), "abc");
  VerifyingSource unsized(memory("abc"), digest_of(std::string_view("abc")), std::nullopt, "blob");
  EXPECT_EQ(read_all(unsized, 100, "x"), "abc");
}

TEST(Verify, ShortLongAndWrongDataThrowBeforeTheEnd) {
  auto digest = digest_of(std::string_view("abc"));
  VerifyingSource shorter(memory("ab"), digest, 3, "blob");
  EXPECT_THAT(failure_of(shorter, ErrorCode::Corrupt), HasSubstr("ends after 2 of 3"));
  VerifyingSource longer(memory("abcd"), digest, 3, "blob");
  EXPECT_THAT(failure_of(longer, ErrorCode::Corrupt), HasSubstr("longer than the 3"));
  VerifyingSource wrong(memory("abd"), digest, 3, "blob");
  EXPECT_THAT(failure_of(wrong, ErrorCode::Corrupt), HasSubstr("digest mismatch"));
  VerifyingSource unsized(memory("abcd"), digest, std::nullopt, "blob");
  EXPECT_THAT(failure_of(unsized, ErrorCode::Corrupt), HasSubstr("digest mismatch"));
  VerifyingSource empty(memory(""), digest, 3, "blob");
  failure_of(empty, ErrorCode::Corrupt);
}

TEST(Verify, ReadsAtMostOneByteMoreThanAnnounced) {
  MemorySource inner("abc" + std::string(1000, 'x'));
  class Borrowed final : public Source {
   public:
    explicit Borrowed(Source& borrowed) : inner_(borrowed) {}
    std::size_t read(Buffer buffer) override { return inner_.read(buffer); }

   private:
    Source& inner_;
  };
  VerifyingSource source(std::make_unique<Borrowed>(inner), digest_of(std::string_view("abc")), 3, "blob");
  failure_of(source, ErrorCode::Corrupt);
  EXPECT_EQ(read_all(inner, 2000, "rest").size(), 999u);
}

TEST(Pipe, CarriesMoreThanItsCapacity) {
  Pipe pipe(1000);
  std::string data;
  for (int i = 0; i < 100000; ++i) data += std::to_string(i);
  std::thread writer([&] {
    for (std::size_t at = 0; at < data.size(); at += 777)
      pipe.sink().write(as_bytes(std::string_view(data).substr(at, 777)));
    pipe.sink().finish();
  });
  EXPECT_EQ(read_all(pipe.source(), data.size(), "x"), data);
  writer.join();
}

TEST(Pipe, ReaderGetsTheWritersError) {
  Pipe pipe(1000);
  std::thread writer([&] {
    pipe.sink().write(as_bytes("some"));
    pipe.fail(std::make_exception_ptr(Error(ErrorCode::Unavailable, "connection lost")));
  });
  EXPECT_THAT(failure_of(pipe.source(), ErrorCode::Unavailable), HasSubstr("connection lost"));
  writer.join();
}

TEST(Pipe, EndWithoutFinishIsNoEnd) {
  Pipe pipe(1000);
  std::thread writer([&] {
    pipe.sink().write(as_bytes("some"));
    pipe.close_writer();
  });
  failure_of(pipe.source(), ErrorCode::Cancelled);
  writer.join();
}

TEST(Pipe, WriterIsWokenWhenTheReaderGivesUp) {
  Pipe pipe(10);
  ErrorCode code = ErrorCode::Internal;
  std::thread writer([&] {
    try {
      while (true) pipe.sink().write(as_bytes("more than ten bytes"));
    } catch (const Error& error) {
      code = error.code();
    }
  });
  pipe.close_reader();
  writer.join();
  EXPECT_EQ(code, ErrorCode::Cancelled);
}

}  // namespace
}  // namespace proa::io
