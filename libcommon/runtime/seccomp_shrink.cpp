#include "libcommon/runtime/seccomp_shrink.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <set>

#include "libcommon/base/error.h"

namespace proa::runtime {
namespace {

constexpr std::uint32_t kToRest = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMaxShortJump = 255;

bool jumps(std::uint16_t operation, std::uint32_t a, std::uint32_t k) {
  switch (operation) {
    case BPF_JEQ:
      return a == k;
    case BPF_JGT:
      return a > k;
    case BPF_JGE:
      return a >= k;
    case BPF_JSET:
      return (a & k) != 0;
    default:
      throw Error(ErrorCode::Internal, "unknown jump in a filter");
  }
}

// What the program returns for a call; nullopt: it looks at an argument first.
std::optional<std::uint32_t> evaluate(const Bpf& program, std::uint32_t arch, std::uint32_t number) {
  std::uint32_t a = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const auto& op = program[at];
    switch (BPF_CLASS(op.code)) {
      case BPF_LD:
        if (op.code != (BPF_LD | BPF_W | BPF_ABS)) return std::nullopt;
        if (op.k != offsetof(seccomp_data, nr) && op.k != offsetof(seccomp_data, arch)) return std::nullopt;
        a = op.k == offsetof(seccomp_data, nr) ? number : arch;
        break;
      case BPF_JMP:
        at += BPF_OP(op.code) == BPF_JA ? op.k : jumps(BPF_OP(op.code), a, op.k) ? op.jt : op.jf;
        break;
      case BPF_RET:
        return op.k;
      default:
        return std::nullopt;
    }
  }
  throw Error(ErrorCode::Internal, "a filter without an end");
}

// Architectures that the program tells apart.
std::set<std::uint32_t> architectures_of(const Bpf& program) {
  std::set<std::uint32_t> found;
  std::uint32_t loaded = 0;
  for (const auto& op : program) {
    if (BPF_CLASS(op.code) == BPF_LD) loaded = op.k;
    if (op.code == (BPF_JMP | BPF_JEQ | BPF_K) && loaded == offsetof(seccomp_data, arch)) found.insert(op.k);
  }
  return found;
}

struct Range {
  std::uint32_t first;  // up to the next range
  std::optional<std::uint32_t> answer;
};

// The answer can change only next to a constant that the program compares with.
std::vector<Range> ranges_of(const Bpf& program, std::uint32_t arch) {
  std::set<std::uint32_t> starts{0};
  for (const auto& op : program) {
    if (BPF_CLASS(op.code) != BPF_JMP || BPF_OP(op.code) == BPF_JA) continue;
    starts.insert(op.k);
    if (op.k != std::numeric_limits<std::uint32_t>::max()) starts.insert(op.k + 1);
  }
  std::vector<Range> ranges;
  for (auto start : starts) {
    auto answer = evaluate(program, arch, start);
    if (ranges.empty() || ranges.back().answer != answer) ranges.push_back({start, answer});
  }
  return ranges;
}

Bpf search_tree(const Range* begin, const Range* end) {
  if (end - begin == 1) {
    if (begin->answer) return {BPF_STMT(BPF_RET | BPF_K, *begin->answer)};
    return {BPF_STMT(BPF_JMP | BPF_JA, kToRest)};
  }
  const Range* middle = begin + (end - begin) / 2;
  Bpf low = search_tree(begin, middle);
  Bpf high = search_tree(middle, end);
  Bpf tree;
  if (low.size() <= kMaxShortJump) {
    tree.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, middle->first, static_cast<std::uint8_t>(low.size()), 0));
  } else {
    tree.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, middle->first, 0, 1));
    tree.push_back(BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(low.size())));
  }
  tree.insert(tree.end(), low.begin(), low.end());
  tree.insert(tree.end(), high.begin(), high.end());
  return tree;
}

// Bit tests of call numbers are no ranges; libseccomp makes none, and then the program stays as it is.
bool has_only_ranges(const Bpf& program) {
  std::uint32_t loaded = 0;
  for (const auto& op : program) {
    if (BPF_CLASS(op.code) == BPF_LD) loaded = op.k;
    if (loaded == offsetof(seccomp_data, nr) && BPF_CLASS(op.code) == BPF_JMP && BPF_OP(op.code) == BPF_JSET)
      return false;
  }
  return true;
}

}  // namespace

Bpf shrink_filter(const Bpf& full, const Bpf& rest) {
  auto architectures = architectures_of(full);
  std::uint32_t unknown = 0;
  while (architectures.contains(unknown)) ++unknown;
  auto answer_for_unknown = evaluate(full, unknown, 0);
  if (!answer_for_unknown || !has_only_ranges(full)) return full;
  Bpf program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch))};
  for (auto arch : architectures) {
    auto ranges = ranges_of(full, arch);
    Bpf tree = search_tree(ranges.data(), ranges.data() + ranges.size());
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 1, 0));
    program.push_back(BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(tree.size() + 1)));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    program.insert(program.end(), tree.begin(), tree.end());
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, *answer_for_unknown));
  for (std::size_t i = 0; i < program.size(); ++i) {
    auto& op = program[i];
    if (op.code == (BPF_JMP | BPF_JA) && op.k == kToRest) op.k = static_cast<std::uint32_t>(program.size() - i - 1);
  }
  program.insert(program.end(), rest.begin(), rest.end());
  return program.size() < full.size() ? program : full;
}

}  // namespace proa::runtime
