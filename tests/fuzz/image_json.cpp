// Manifests, indexes and configs from anybody: refused with proa::Error, or read so that what we write of them reads
// the same.
#include <cstdlib>
#include <string>

#include "libcommon/base/error.h"
#include "libcommon/oci/image.h"

namespace {

template <typename Document>
void round_trip(const std::string& text) {
  try {
    Document document = Document::parse(text);
    Document again = Document::parse(Document::encode(document).raw);
    if (Document::encode(again).raw != again.raw) std::abort();
  } catch (const proa::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace proa::oci;
  std::string text(reinterpret_cast<const char*>(data), size);
  round_trip<Manifest>(text);
  round_trip<Index>(text);
  round_trip<ImageConfig>(text);
  // No body is both a manifest and an index.
  int kinds = 0;
  for (auto parse : {+[](const std::string& body) { Manifest::parse(body); },
                     +[](const std::string& body) { Index::parse(body); }}) {
    try {
      parse(text);
      ++kinds;
    } catch (const proa::Error&) {
    }
  }
  if (kinds > 1) std::abort();
  return 0;
}
