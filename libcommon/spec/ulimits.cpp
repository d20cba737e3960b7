#include "libcommon/spec/ulimits.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::spec {
namespace {

// getrlimit(2).
const std::vector<std::string> kNames = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                         "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                         "rtprio",  "rttime",   "sigpending", "stack"};

[[noreturn]] void refuse_ulimit(std::string_view text, std::string_view reason,
                                std::string hint = "expected NAME=SOFT[:HARD], -1 is unlimited") {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid ulimit \"{}\": {}", escape_control(text), reason),
              std::move(hint));
}

std::int64_t parse_limit(std::string_view number, std::string_view text) {
  auto limit = parse_integer<std::int64_t>(number);
  if (!limit || *limit < kUnlimited) refuse_ulimit(text, fmt::format("\"{}\" is not a limit", escape_control(number)));
  return *limit;
}

}  // namespace

std::string Ulimit::rlimit_name() const { return "RLIMIT_" + to_upper(name); }

Ulimit parse_ulimit(std::string_view text) {
  auto parts = cut(text, "=");
  if (!parts) refuse_ulimit(text, "there is no \"=\"");
  Ulimit limit;
  limit.name = parts->first;
  if (std::find(kNames.begin(), kNames.end(), limit.name) == kNames.end()) {
    auto similar = nearest(limit.name, kNames);
    refuse_ulimit(text, "no such limit",
                  similar ? fmt::format("did you mean {}?", *similar) : "known are: " + join(kNames, " "));
  }
  auto values = cut(parts->second, ":");
  limit.soft = parse_limit(values ? values->first : parts->second, text);
  limit.hard = values ? parse_limit(values->second, text) : limit.soft;
  if (limit.hard != kUnlimited && (limit.soft == kUnlimited || limit.soft > limit.hard)) {
    refuse_ulimit(text, "the soft limit is above the hard limit");
  }
  return limit;
}

}  // namespace proa::spec
