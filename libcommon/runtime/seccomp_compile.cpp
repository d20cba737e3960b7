#include <fcntl.h>
#include <fmt/core.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/seccomp.h"
#include "libcommon/runtime/seccomp_shrink.h"

namespace proa::runtime {
namespace {

struct ReleaseFilter {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseFilter>;

constexpr std::uint64_t kMaxCacheFile = 4u << 20;
constexpr std::size_t kMaxInstructions = BPF_MAXINSNS;
constexpr std::string_view kMagic = "proa seccomp 2\n";

std::uint32_t action_of(const std::string& name, std::optional<unsigned> errno_ret) {
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(errno_ret.value_or(EPERM));
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_NOTIFY") return SCMP_ACT_NOTIFY;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(errno_ret.value_or(EPERM));
  throw Error(ErrorCode::Unsupported, fmt::format("seccomp action {} is not supported", name));
}

scmp_compare operator_of(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, scmp_compare>, 7> kNames{
      {{"SCMP_CMP_NE", SCMP_CMP_NE},
       {"SCMP_CMP_LT", SCMP_CMP_LT},
       {"SCMP_CMP_LE", SCMP_CMP_LE},
       {"SCMP_CMP_EQ", SCMP_CMP_EQ},
       {"SCMP_CMP_GE", SCMP_CMP_GE},
       {"SCMP_CMP_GT", SCMP_CMP_GT},
       {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}}};
  for (const auto& [known, value] : kNames) {
    if (known == name) return value;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown seccomp operator {}", name));
}

std::uint32_t architecture_of(const std::string& name) {
  if (!name.starts_with("SCMP_ARCH_")) throw Error(ErrorCode::InvalidArgument, "unknown seccomp architecture " + name);
  std::string lower;
  for (char c : name.substr(10)) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  std::uint32_t token = seccomp_arch_resolve_name(lower.c_str());
  if (token == 0) throw Error(ErrorCode::InvalidArgument, "unknown seccomp architecture " + name);
  return token;
}

void add_rule(scmp_filter_ctx context, const oci::SeccompRule& rule, std::uint32_t default_action) {
  std::uint32_t action = action_of(rule.action, rule.errno_ret);
  // libseccomp refuses rules that say what happens anyway.
  if (action == default_action) return;
  std::vector<scmp_arg_cmp> conditions;
  for (const auto& argument : rule.args) {
    conditions.push_back({argument.index, operator_of(argument.op), argument.value, argument.value_two});
  }
  for (const auto& name : rule.names) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer or older than our library: the default action holds
    int result =
        seccomp_rule_add_array(context, action, number, static_cast<unsigned>(conditions.size()), conditions.data());
    if (result != 0) throw system_error(fmt::format("seccomp rule for {}", name), -result);
  }
}

// Everything that decides the filter, in a form that is quick to make and to compare.
std::string cache_key(const oci::SeccompProfile& profile) {
  const auto* version = seccomp_version();
  std::string key = fmt::format("{}.{}.{};{};{}\n", version->major, version->minor, version->micro,
                                profile.default_action, profile.default_errno_ret.value_or(0));
  for (const auto& architecture : profile.architectures) key += architecture + '\n';
  for (const auto& rule : profile.syscalls) {
    key += rule.action;
    if (rule.errno_ret) key += fmt::format("({})", *rule.errno_ret);
    for (const auto& argument : rule.args) {
      key += fmt::format(" {}{}:{:x}:{:x}", argument.op, argument.index, argument.value, argument.value_two);
    }
    for (const auto& name : rule.names) (key += ' ') += name;
    key += '\n';
  }
  return key;
}

std::string cache_name(const std::string& key) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a; only a name: the key itself is compared
  for (unsigned char byte : key) hash = (hash ^ byte) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

struct CacheHeader {
  std::uint32_t key_size, instructions;
};

std::optional<Bpf> read_cache(const std::string& path, const std::string& key) {
  os::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return std::nullopt;
  bool ours = S_ISREG(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 077) == 0;
  if (!ours || static_cast<std::uint64_t>(info.st_size) > kMaxCacheFile) return std::nullopt;
  std::string text = os::read_fd(fd.get(), kMaxCacheFile, path);
  CacheHeader header{};
  std::size_t start = kMagic.size() + sizeof header;
  if (text.size() < start || !text.starts_with(kMagic)) return std::nullopt;
  std::memcpy(&header, text.data() + kMagic.size(), sizeof header);
  if (header.instructions == 0 || header.instructions > kMaxInstructions || header.key_size != key.size())
    return std::nullopt;
  std::size_t size = header.instructions * sizeof(sock_filter);
  if (text.size() != start + key.size() + size || text.compare(start, key.size(), key) != 0) return std::nullopt;
  Bpf program(header.instructions);
  std::memcpy(program.data(), text.data() + start + key.size(), size);
  return program;
}

void write_cache(const std::string& directory, const std::string& path, const std::string& key, const Bpf& program) {
  os::make_dirs(directory);
  std::string staged = path + "." + random_hex(8);
  CacheHeader header{static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(program.size())};
  os::UniqueFd fd = os::open(staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  os::write_all(fd.get(), kMagic, staged);
  os::write_all(fd.get(), std::as_bytes(std::span(&header, 1)), staged);
  os::write_all(fd.get(), key, staged);
  os::write_all(fd.get(), std::as_bytes(std::span(program)), staged);
  if (::rename(staged.c_str(), path.c_str()) != 0) throw system_error("rename " + staged);
}

// Where one rule allows a call as such and another one refuses it for some arguments, libseccomp silently keeps the
// first alone. The refusals then become a filter of their own in front, so that the stricter rule holds.
void split_rule(const oci::SeccompProfile& profile, const oci::SeccompRule& rule, std::vector<oci::SeccompRule>& rules,
                std::vector<oci::SeccompRule>& refusals) {
  bool refuses = rule.action != "SCMP_ACT_ALLOW" && rule.action != "SCMP_ACT_LOG" && !rule.args.empty();
  auto allowed_as_such = [&](const std::string& name) {
    return std::any_of(profile.syscalls.begin(), profile.syscalls.end(), [&](const auto& other) {
      return other.args.empty() && other.action == "SCMP_ACT_ALLOW" &&
             std::find(other.names.begin(), other.names.end(), name) != other.names.end();
    });
  };
  oci::SeccompRule ordinary = rule, refusal = rule;
  refusal.names.clear();
  if (refuses) {
    std::erase_if(ordinary.names, allowed_as_such);
    for (const auto& name : rule.names) {
      if (allowed_as_such(name)) refusal.names.push_back(name);
    }
  }
  if (!ordinary.names.empty()) rules.push_back(std::move(ordinary));
  if (!refusal.names.empty()) refusals.push_back(std::move(refusal));
}

bool looks_at_sockets(const oci::SeccompProfile& profile) {
  return std::any_of(profile.syscalls.begin(), profile.syscalls.end(), [](const auto& rule) {
    return !rule.args.empty() && std::any_of(rule.names.begin(), rule.names.end(),
                                             [](const auto& name) { return name == "socket" || name == "socketpair"; });
  });
}

// The 32-bit socketcall(2) has its arguments in memory, out of a filter's sight, and libseccomp lets it pass wherever
// some family is allowed (CVE-2026-123876). Where a profile cares for families, sockets are made by socket(2) itself,
// as libraries do since Linux 4.3.
void refuse_socketcall(std::vector<oci::SeccompRule>& refusals) {
  constexpr std::uint64_t kSocket = 1, kSocketpair = 8;
  for (auto call : {kSocket, kSocketpair}) {
    refusals.push_back({{"socketcall"}, "SCMP_ACT_ERRNO", ENOSYS, {{0, 0xffffffff, call, "SCMP_CMP_MASKED_EQ"}}});
  }
}

Bpf compile_rules(const oci::SeccompProfile& profile, std::uint32_t default_action,
                  const std::vector<oci::SeccompRule>& rules) {
  Context context(seccomp_init(default_action));
  if (!context) throw Error(ErrorCode::Unsupported, "libseccomp refuses the default action");
  // A tree instead of a chain of comparisons: less work at each call, and for the kernel when it looks for calls that
  // are always allowed.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const auto& name : profile.architectures) {
    int result = seccomp_arch_add(context.get(), architecture_of(name));
    if (result != 0 && result != -EEXIST) throw system_error("seccomp architecture " + name, -result);
  }
  for (const auto& rule : rules) add_rule(context.get(), rule, default_action);
  os::UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file.valid()) throw system_error("memfd_create");
  if (int result = seccomp_export_bpf(context.get(), file.get()); result != 0)
    throw system_error("export the filter", -result);
  ::lseek(file.get(), 0, SEEK_SET);
  std::string bytes = os::read_fd(file.get(), kMaxCacheFile, "the filter");
  Bpf program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
  return program;
}

Bpf compile_as_written(const oci::SeccompProfile& profile) {
  std::vector<oci::SeccompRule> rules, refusals;
  for (const auto& rule : profile.syscalls) split_rule(profile, rule, rules, refusals);
  if (looks_at_sockets(profile)) refuse_socketcall(refusals);
  Bpf program = compile_rules(profile, action_of(profile.default_action, profile.default_errno_ret), rules);
  if (refusals.empty()) return program;
  Bpf first = compile_rules(profile, SCMP_ACT_ALLOW, refusals);
  // What the first part would allow goes on to the second one.
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].code == (BPF_RET | BPF_K) && first[i].k == SECCOMP_RET_ALLOW) {
      first[i] = BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(first.size() - i - 1));
    }
  }
  first.insert(first.end(), program.begin(), program.end());
  if (first.size() > kMaxInstructions)
    throw Error(ErrorCode::Unsupported, "the seccomp profile is too large for the kernel");
  return first;
}

// The rules for calls that some rule looks at the arguments of.
oci::SeccompProfile rules_with_arguments(const oci::SeccompProfile& profile) {
  // The 32-bit socketcall and ipc stand for several calls, and libseccomp gives them rules by itself.
  std::vector<std::string> names{"socketcall", "ipc"};
  for (const auto& rule : profile.syscalls) {
    if (!rule.args.empty()) names.insert(names.end(), rule.names.begin(), rule.names.end());
  }
  oci::SeccompProfile part = profile;
  for (auto& rule : part.syscalls) {
    std::erase_if(rule.names,
                  [&](const auto& name) { return std::find(names.begin(), names.end(), name) == names.end(); });
  }
  std::erase_if(part.syscalls, [](const auto& rule) { return rule.names.empty(); });
  return part;
}

}  // namespace

Bpf compile_seccomp(const oci::SeccompProfile& profile) {
  While compiling{"compiling the seccomp profile"};
  Bpf full = compile_as_written(profile);
  return shrink_filter(full, compile_as_written(rules_with_arguments(profile)));
}

Bpf load_seccomp(const oci::SeccompProfile& profile, const std::string& cache_directory) {
  std::string key = cache_key(profile);
  std::string path = os::join(cache_directory, cache_name(key));
  if (auto cached = read_cache(path, key)) return std::move(*cached);
  Bpf program = compile_seccomp(profile);
  try {
    write_cache(cache_directory, path, key, program);
  } catch (const Error& error) {
    log::debug(error.what());  // it only costs time
  }
  return program;
}

}  // namespace proa::runtime
