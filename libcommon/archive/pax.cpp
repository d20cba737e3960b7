#include "libcommon/archive/pax.h"

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::archive {
namespace {

constexpr std::string_view kXattr = "SCHILY.xattr.";
constexpr std::string_view kSparse = "GNU.sparse.";

[[noreturn]] void corrupt(const std::string& what) { throw Error(ErrorCode::Corrupt, "tar: extended header: " + what); }

std::uint64_t number(std::string_view key, std::string_view value) {
  auto parsed = parse_integer<std::int64_t>(value);
  if (!parsed || *parsed < 0) corrupt(std::string(key) + " is '" + escape_control(value.substr(0, 40)) + "'");
  return static_cast<std::uint64_t>(*parsed);
}

std::string text(std::string_view key, std::string_view value) {
  if (value.find('\0') != std::string_view::npos) corrupt(std::string(key) + " holds a NUL");
  return std::string(value);
}

// "offset,size,offset,size", version 0.1.
std::vector<SparseRegion> sparse_map(std::string_view value) {
  std::vector<SparseRegion> regions;
  auto next = [&] {
    auto comma = value.find(',');
    auto result = number("GNU.sparse.map", value.substr(0, comma));
    value = comma == std::string_view::npos ? std::string_view{} : value.substr(comma + 1);
    return result;
  };
  while (!value.empty()) {
    auto offset = next();
    if (value.empty()) corrupt("GNU.sparse.map is cut off");
    regions.push_back({offset, next()});
  }
  return regions;
}

class Parser {
 public:
  explicit Parser(bool global) : global_(global) {}

  void record(std::string_view key, std::string_view value) {
    if (key.starts_with(kXattr)) {
      refuse_global(key);
      set_xattr(key.substr(kXattr.size()), value);
    } else if (key.starts_with(kSparse)) {
      refuse_global(key);
      sparse(key, value);
    } else {
      standard(key, value);
    }
  }

  PaxRecords take() {
    if (pending_offset_) corrupt("GNU.sparse.offset without GNU.sparse.numbytes");
    return std::move(records_);
  }

 private:
  void refuse_global(std::string_view key) const {
    if (!global_) return;
    throw Error(ErrorCode::Unsupported, "tar: a global header sets " + escape_control(key) + " for all entries");
  }

  // An empty value takes the record back: the header's own field counts.
  void standard(std::string_view key, std::string_view value) {
    auto set_text = [&](std::optional<std::string>& target) {
      refuse_global(key);
      target = value.empty() ? std::nullopt : std::optional(text(key, value));
    };
    auto set_number = [&](std::optional<std::uint64_t>& target) {
      refuse_global(key);
      target = value.empty() ? std::nullopt : std::optional(number(key, value));
    };
    if (key == "path") return set_text(records_.path);
    if (key == "linkpath") return set_text(records_.link);
    if (key == "uid") return set_number(records_.uid);
    if (key == "gid") return set_number(records_.gid);
    if (key == "size") return set_number(records_.size);
    if (key != "mtime") return;  // atime, ctime, uname, gname, comment, vendors' keys
    refuse_global(key);
    records_.mtime = parse_pax_time(value);
    if (!records_.mtime && !value.empty()) corrupt("mtime is '" + escape_control(value.substr(0, 40)) + "'");
  }

  void set_xattr(std::string_view name, std::string_view value) {
    std::string clean = text("xattr name", name);
    std::erase_if(records_.xattrs, [&](const auto& known) { return known.first == clean; });
    records_.xattrs.emplace_back(std::move(clean), value);
  }

  void sparse(std::string_view key, std::string_view value) {
    auto name = key.substr(kSparse.size());
    if (name == "major") records_.sparse_major = number(key, value);
    if (name == "minor") records_.sparse_minor = number(key, value);
    if (name == "size") records_.sparse_size = number(key, value);
    if (name == "realsize") records_.sparse_real_size = number(key, value);
    if (name == "numblocks") {
      records_.sparse_count = number(key, value);
      records_.has_sparse_map = true;
    }
    if (name == "name" && !value.empty()) records_.sparse_name = text(key, value);
    if (name == "map") {
      records_.sparse_map = sparse_map(value);
      records_.has_sparse_map = true;
    }
    if (name == "offset") {
      if (pending_offset_) corrupt("GNU.sparse.offset without GNU.sparse.numbytes");
      pending_offset_ = number(key, value);
    }
    if (name == "numbytes") {
      if (!pending_offset_) corrupt("GNU.sparse.numbytes without GNU.sparse.offset");
      records_.sparse_map.push_back({*pending_offset_, number(key, value)});
      records_.has_sparse_map = true;
      pending_offset_.reset();
    }
  }

  bool global_;
  PaxRecords records_;
  std::optional<std::uint64_t> pending_offset_;
};

}  // namespace

PaxRecords parse_pax(std::string_view data, bool global) {
  Parser parser(global);
  while (!data.empty()) {
    auto space = data.find(' ');
    if (space == std::string_view::npos || space > 9) corrupt("a record without a length");
    auto length = parse_integer<std::size_t>(data.substr(0, space));
    if (!length || *length <= space + 1 || *length > data.size() || data[*length - 1] != '\n') {
      corrupt("a record with a wrong length");
    }
    auto record = data.substr(space + 1, *length - space - 2);
    auto parts = cut(record, "=");
    if (!parts || parts->first.empty()) corrupt("a record without a key");
    parser.record(parts->first, parts->second);
    data.remove_prefix(*length);
  }
  return parser.take();
}

std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  auto dot = text.find('.');
  auto whole = text.substr(0, dot);
  auto fraction = dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1);
  if (whole.size() > 18) return std::nullopt;
  auto seconds = parse_integer<std::int64_t>(whole);
  if (!seconds || *seconds < 0) return std::nullopt;
  std::uint32_t nanos = 0;
  std::uint32_t unit = 100'000'000;
  for (char c : fraction) {
    if (c < '0' || c > '9') return std::nullopt;
    nanos += static_cast<std::uint32_t>(c - '0') * unit;
    unit /= 10;  // 0 after nine digits: the rest is cut off
  }
  if (!negative) return {{*seconds, nanos}};
  if (nanos == 0) return {{-*seconds, 0}};
  return {{-*seconds - 1, 1'000'000'000 - nanos}};
}

void append_pax_record(std::string& out, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // " ", "=", "\n"
  std::size_t length = rest + std::to_string(rest).size();
  // The length may need a digit more because of its own digits.
  length = rest + std::to_string(length).size();
  out.append(std::to_string(length)).append(" ").append(key).append("=").append(value).append("\n");
}

}  // namespace proa::archive
