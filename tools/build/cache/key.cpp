#include "tools/build/cache/key.h"

#include <fmt/core.h>

#include "libcommon/io/digest_stream.h"

namespace proa::build {

KeyBuilder::KeyBuilder(std::string_view kind) { add("proa build step 1", kind); }

void KeyBuilder::append(std::string_view value) {
  text_ += fmt::format("{}:", value.size());
  text_ += value;
}

KeyBuilder& KeyBuilder::add(std::string_view name, std::string_view value) {
  append(name);
  append(value);
  return *this;
}

KeyBuilder& KeyBuilder::add(std::string_view name, const std::vector<std::string>& values) {
  append(name);
  text_ += fmt::format("[{}]", values.size());
  for (const std::string& value : values) append(value);
  return *this;
}

std::string KeyBuilder::finish() const { return std::string(io::digest_of(text_).hex()); }

}  // namespace proa::build
