#include "libcommon/base/signals.h"

#include <csignal>

#include "libcommon/base/strings.h"

namespace proa {
namespace {

struct Name {
  std::string_view name;
  int signal;
};

// The first name of a number is the one we print.
constexpr Name kNames[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGABRT},      {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},     {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGIO},       {"PWR", SIGPWR},       {"SYS", SIGSYS},
};

// The C library keeps two of the kernel's real-time signals (32 to 64) for itself, and every tool counts from 34 on.
constexpr int kRealTimeMin = 34;
constexpr int kRealTimeMax = 64;

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
  std::string upper = to_upper(text);
  if (auto number = parse_integer<int>(upper)) {
    return *number >= 1 && *number <= kMaxSignal ? number : std::nullopt;
  }
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const auto& known : kNames) {
    if (known.name == name) return known.signal;
  }
  int base = name.starts_with("RTMIN") ? kRealTimeMin : name.starts_with("RTMAX") ? kRealTimeMax : 0;
  if (base == 0) return std::nullopt;
  name.remove_prefix(5);
  if (name.empty()) return base;
  char sign = base == kRealTimeMin ? '+' : '-';
  auto distance = name[0] == sign ? parse_integer<unsigned>(name.substr(1)) : std::nullopt;
  if (!distance || *distance > kRealTimeMax - kRealTimeMin) return std::nullopt;
  return sign == '+' ? base + static_cast<int>(*distance) : base - static_cast<int>(*distance);
}

std::string signal_name(int signal) {
  for (const auto& known : kNames) {
    if (known.signal == signal) return "SIG" + std::string(known.name);
  }
  if (signal == kRealTimeMin) return "SIGRTMIN";
  if (signal == kRealTimeMax) return "SIGRTMAX";
  constexpr int kMiddle = (kRealTimeMin + kRealTimeMax) / 2;
  if (signal > kRealTimeMin && signal <= kMiddle) return "SIGRTMIN+" + std::to_string(signal - kRealTimeMin);
  if (signal > kMiddle && signal < kRealTimeMax) return "SIGRTMAX-" + std::to_string(kRealTimeMax - signal);
  return std::to_string(signal);
}

}  // namespace proa
