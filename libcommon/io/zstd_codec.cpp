// zstd, RFC 8878.
#include <zstd.h>

#include "libcommon/base/error.h"
#include "libcommon/io/codecs.h"

namespace proa::io {
namespace {

// 128 MiB: what `zstd -d` accepts without --long, and a ceiling for the memory that foreign data may claim.
constexpr int kMaxWindowLog = 27;

class ZstdSource final : public Source {
 public:
  explicit ZstdSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)), input_(kBufferSize) {
    if (!context_ || ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)) != 0) {
      throw Error(ErrorCode::Internal, "zstd cannot be set up");
    }
  }

  std::size_t read(Buffer buffer) override {
    if (buffer.empty()) return 0;
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    while (out.pos == 0) {
      if (chunk_.pos == chunk_.size && !ended_) refill();
      if (ended_ && at_frame_end_) {
        if (!seen_frame_) throw Error(ErrorCode::Corrupt, "not a zstd stream");
        return 0;
      }
      const auto in_before = chunk_.pos;
      const std::size_t result = ZSTD_decompressStream(context_.get(), &out, &chunk_);
      if (ZSTD_isError(result) != 0) {
        throw Error(ErrorCode::Corrupt, std::string("zstd stream: ") + ZSTD_getErrorName(result));
      }
      seen_frame_ = true;
      // 0: a frame is decoded and flushed completely. Another frame, or a skippable one, may follow.
      at_frame_end_ = result == 0;
      if (ended_ && !at_frame_end_ && out.pos == 0 && chunk_.pos == in_before) {
        throw Error(ErrorCode::Corrupt, "zstd stream: ends too early");
      }
    }
    return out.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  void refill() {
    std::size_t got = inner_->read(input_);
    ended_ = got == 0;
    chunk_ = {input_.data(), got, 0};
  }

  std::unique_ptr<Source> inner_;
  std::vector<std::byte> input_;
  std::unique_ptr<ZSTD_DCtx, Free> context_{ZSTD_createDCtx()};
  ZSTD_inBuffer chunk_{nullptr, 0, 0};
  bool ended_ = false, at_frame_end_ = true, seen_frame_ = false;
};

class ZstdSink final : public Sink {
 public:
  ZstdSink(Sink& inner, int level) : inner_(inner), output_(ZSTD_CStreamOutSize()) {
    if (!context_ || ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level)) != 0 ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1)) != 0) {
      throw Error(ErrorCode::Internal, "zstd cannot be set up");
    }
  }

  void write(Bytes data) override {
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    while (in.pos < in.size) step(in, ZSTD_e_continue);
  }

  void finish() override {
    ZSTD_inBuffer none{nullptr, 0, 0};
    while (step(none, ZSTD_e_end) != 0) {
    }
    inner_.finish();
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };

  std::size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective directive) {
    ZSTD_outBuffer out{output_.data(), output_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    if (ZSTD_isError(left) != 0) throw Error(ErrorCode::Internal, std::string("zstd: ") + ZSTD_getErrorName(left));
    if (out.pos != 0) inner_.write(Bytes(output_.data(), out.pos));
    return left;
  }

  Sink& inner_;
  std::vector<std::byte> output_;
  std::unique_ptr<ZSTD_CCtx, Free> context_{ZSTD_createCCtx()};
};

}  // namespace

std::unique_ptr<Source> make_zstd_source(std::unique_ptr<Source> inner) {
  return std::make_unique<ZstdSource>(std::move(inner));
}

std::unique_ptr<Sink> make_zstd_sink(Sink& inner, std::optional<int> level) {
  if (level && (*level < 1 || *level > ZSTD_maxCLevel())) {
    throw Error(ErrorCode::InvalidArgument,
                "zstd level " + std::to_string(*level) + " is not in 1.." + std::to_string(ZSTD_maxCLevel()));
  }
  return std::make_unique<ZstdSink>(inner, level.value_or(ZSTD_CLEVEL_DEFAULT));
}

}  // namespace proa::io
