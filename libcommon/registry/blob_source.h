// The bytes of a blob as one stream, however often the connection breaks.
#pragma once

#include <memory>

#include "libcommon/registry/repository.h"

namespace proa::registry {

class BlobSource final : public io::Source {
 public:
  // Asks for the blob at once, so that NotFound is told here. `offset`: what lies before it is not wanted.
  BlobSource(const Repository& repository, const oci::Descriptor& blob, std::uint64_t offset, std::stop_token stop);
  // At most one byte more than the descriptor's size comes out: who verifies sees that it is too much.
  std::size_t read(io::Buffer buffer) override;

 private:
  void open();
  void skip_to_position();

  Repository repository_;
  oci::Descriptor blob_;
  std::stop_token stop_;
  Tries tries_;
  std::unique_ptr<io::Source> body_;
  std::uint64_t at_ = 0;
  std::uint64_t opened_at_ = 0;
  int reopened_ = 0;
};

}  // namespace proa::registry
