// Tar archives byte by byte: whatever a header can say, also what no archiver would write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proa::testing {

struct TarMember {
  std::string name;
  char type = '0';
  std::string content;  // its size goes into the header unless `raw` says otherwise
  std::string link;
  unsigned mode = 0644;
  std::uint64_t uid = 0, gid = 0;
  std::int64_t mtime = 1'700'000'000;
  unsigned dev_major = 0, dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> pax;  // records of an extended header before the member
  std::vector<std::pair<std::size_t, std::string>> raw;  // bytes put over the finished header, before the checksum
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
  bool good_checksum = true;
};

class TarBuilder {
 public:
  TarBuilder& add(const TarMember& member);
  TarBuilder& file(std::string name, std::string content = "x") {
    return add({.name = std::move(name), .content = std::move(content)});
  }
  TarBuilder& dir(std::string name, unsigned mode = 0755) {
    return add({.name = std::move(name), .type = '5', .mode = mode});
  }
  TarBuilder& symlink(std::string name, std::string target) {
    return add({.name = std::move(name), .type = '2', .link = std::move(target), .mode = 0777});
  }
  TarBuilder& hard_link(std::string name, std::string target) {
    return add({.name = std::move(name), .type = '1', .link = std::move(target)});
  }
  TarBuilder& bytes(std::string_view raw) {
    data_ += raw;
    return *this;
  }
  // With the end mark.
  std::string str() const { return data_ + std::string(1024, '\0'); }
  const std::string& open_end() const { return data_; }

 private:
  std::string data_;
};

std::string pax_record(std::string_view key, std::string_view value);

}  // namespace proa::testing
