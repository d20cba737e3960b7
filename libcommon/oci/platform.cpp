#include "libcommon/oci/platform.h"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::oci {
namespace {

// Go's names of systems and architectures, which image-spec uses (GOOS, GOARCH).
constexpr std::string_view kKnownSystems[] = {"aix",     "android", "darwin",  "dragonfly", "freebsd", "hurd",
                                              "illumos", "ios",     "js",      "linux",     "nacl",    "netbsd",
                                              "openbsd", "plan9",   "solaris", "windows",   "zos"};
constexpr std::string_view kKnownArchitectures[] = {
    "386",     "amd64",   "amd64p32", "arm",    "armbe",  "arm64",    "arm64be",   "ppc64",
    "ppc64le", "loong64", "mips",     "mipsle", "mips64", "mips64le", "mips64p32", "mips64p32le",
    "ppc",     "riscv",   "riscv64",  "s390",   "s390x",  "sparc",    "sparc64",   "wasm"};

template <typename List>
bool contains(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool only_of(std::string_view text, std::string_view punctuation) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           punctuation.find(c) != std::string_view::npos;
  });
}

[[noreturn]] void refuse_platform(std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("invalid platform \"{}\": {}", escape_control(text.substr(0, 200)), reason),
              "expected OS[/ARCHITECTURE[/VARIANT]], such as linux/arm64");
}

void normalize_architecture(std::string& architecture, std::string& variant) {
  architecture = to_lower(architecture);
  variant = to_lower(variant);
  if (architecture == "i386") {
    architecture = "386";
    variant.clear();
  } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
    architecture = "amd64";
    if (variant == "v1") variant.clear();
  } else if (architecture == "aarch64" || architecture == "arm64") {
    architecture = "arm64";
    if (variant == "8" || variant == "v8") variant.clear();
  } else if (architecture == "armhf") {
    architecture = "arm";
    variant = "v7";
  } else if (architecture == "armel") {
    architecture = "arm";
    variant = "v6";
  } else if (architecture == "arm") {
    if (variant.empty()) variant = "v7";
    if (variant == "5" || variant == "6" || variant == "7" || variant == "8") variant.insert(0, "v");
  }
}

std::string normalize_system(std::string_view os) {
  std::string name = to_lower(os);
  if (name == "macos") return "darwin";
  return name.empty() ? "linux" : name;
}

// Versions and features write the characters of the syntax as %XX.
std::string decode_option(std::string_view text, std::string_view whole) {
  std::string plain;
  while (!text.empty()) {
    std::size_t length = 1;
    char c = text.front();
    if (c == '%') {
      auto code = text.size() < 3 ? std::nullopt : parse_integer<unsigned>(text.substr(1, 2), 16);
      if (!code) refuse_platform(whole, "% is not followed by two hex digits");
      c = static_cast<char>(*code);
      length = 3;
    }
    plain += c;
    text.remove_prefix(length);
  }
  return plain;
}

std::string encode_option(std::string_view text) {
  static constexpr std::string_view kSpecial = "%+()/";
  std::string encoded;
  for (char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      encoded += c;
    }
  }
  return encoded;
}

// "windows(10.0.17763+win32k)": name, version and features of the system.
void parse_system(std::string_view part, std::string_view whole, Platform& platform) {
  static constexpr std::string_view kBad = "the operating system is malformed";
  std::string_view name = part;
  std::string_view options;
  if (part.ends_with(')')) {
    auto pieces = cut(part.substr(0, part.size() - 1), "(");
    if (!pieces) refuse_platform(whole, kBad);
    std::tie(name, options) = *pieces;
  }
  if (name.empty() || !only_of(name, "_-") || !only_of(options, "_.%+-")) refuse_platform(whole, kBad);
  platform.os = normalize_system(name);
  auto words = split(options, '+');
  platform.os_version = decode_option(words[0], whole);
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].empty()) refuse_platform(whole, kBad);
    platform.os_features.push_back(decode_option(words[i], whole));
  }
}

struct Choice {
  std::string architecture, variant;
};

void add_older_arm(std::vector<Choice>& choices, std::string_view variant) {
  auto version = variant.starts_with('v') ? parse_integer<int>(variant.substr(1)) : std::nullopt;
  for (int older = std::min(version.value_or(0), 99) - 1; older >= 5; --older) {
    choices.push_back({"arm", fmt::format("v{}", older)});
  }
}

// v8.3 runs v8.2 to v8; v9.x is v8.(x+5) and more (Arm architecture reference manual), and both run 32-bit arm.
void add_older_arm64(std::vector<Choice>& choices, std::string_view variant) {
  auto pieces = cut(variant, ".");
  auto major = parse_integer<int>(variant.substr(0, 1) == "v" ? (pieces ? pieces->first : variant).substr(1) : "");
  int minor = std::clamp(pieces ? parse_integer<int>(pieces->second).value_or(0) : 0, 0, 99);
  auto add = [&](int of_major, int of_minor) {
    choices.push_back(
        {"arm64", of_minor == 0 ? fmt::format("v{}", of_major) : fmt::format("v{}.{}", of_major, of_minor)});
  };
  if (major == 9) {
    while (--minor >= 0) add(9, minor);
    minor = std::clamp(pieces ? parse_integer<int>(pieces->second).value_or(0) : 0, 0, 99) + 6;
    major = 8;
  }
  if (major == 8) {
    while (--minor >= 0) add(8, minor);
  }
  choices.push_back({"arm", "v8"});
  add_older_arm(choices, "v8");
}

// What runs on `wanted`, best first.
std::vector<Choice> compatible(const Platform& wanted) {
  std::vector<Choice> choices{{wanted.architecture, wanted.variant}};
  if (wanted.architecture == "amd64") {
    auto level =
        wanted.variant.starts_with('v') ? parse_integer<int>(std::string_view(wanted.variant).substr(1)) : std::nullopt;
    for (int older = std::min(level.value_or(1), 99) - 1; older >= 1; --older) {
      choices.push_back({"amd64", older == 1 ? "" : fmt::format("v{}", older)});
    }
    choices.push_back({"386", ""});
  } else if (wanted.architecture == "arm") {
    add_older_arm(choices, wanted.variant);
  } else if (wanted.architecture == "arm64") {
    add_older_arm64(choices, wanted.variant.empty() ? "v8" : wanted.variant);
  }
  return choices;
}

}  // namespace

Platform Platform::parse(std::string_view text) {
  auto parts = split(text, '/', 4);
  Platform platform;
  parse_system(parts[0], text, platform);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].empty() || !only_of(parts[i], "_.-"))
      refuse_platform(text, "the architecture or variant is malformed");
  }
  if (parts.size() > 3) refuse_platform(text, "too many parts");
  if (parts.size() == 1) {
    if (contains(kKnownSystems, platform.os)) {
      Platform machine = host();
      platform.architecture = machine.architecture;
      if (machine.architecture == "arm" && machine.variant != "v7") platform.variant = machine.variant;
      return platform;
    }
    platform.architecture = parts[0];
    platform.os = "linux";
  } else {
    platform.architecture = parts[1];
    if (parts.size() == 3) platform.variant = parts[2];
  }
  normalize_architecture(platform.architecture, platform.variant);
  if (parts.size() == 1 && !contains(kKnownArchitectures, platform.architecture)) {
    refuse_platform(text, "no known operating system or architecture");
  }
  // As containerd has it: the usual variant of arm is left out unless it was asked for, that of arm64 is kept when it
  // was.
  if (parts.size() < 3 && platform.architecture == "arm" && platform.variant == "v7") platform.variant.clear();
  if (parts.size() == 3 && platform.architecture == "arm64" && platform.variant.empty()) platform.variant = "v8";
  return platform;
}

Platform Platform::host() {
  struct utsname names {};
  ::uname(&names);
  std::string_view machine = names.machine;
  Platform platform;
  platform.os = "linux";
  platform.architecture = machine;
  if (machine == "armv6l" || machine == "armv7l" || machine == "armv8l" || machine == "armv5tel") {
    platform.architecture = "arm";
    platform.variant = fmt::format("v{}", machine[4] == '8' ? '7' : machine[4]);
  } else if (machine == "i486" || machine == "i586" || machine == "i686") {
    platform.architecture = "386";
  } else if (machine == "loongarch64") {
    platform.architecture = "loong64";
  } else if (machine == "mips64") {
    platform.architecture = "mips64le";
  }
  return normalize(platform);
}

std::string Platform::str() const {
  if (os.empty()) return "unknown";
  Platform platform = normalize(*this);
  std::string options = encode_option(platform.os_version);
  for (const auto& feature : platform.os_features) options += "+" + encode_option(feature);
  std::string text = platform.os;
  if (!options.empty()) text += "(" + options + ")";
  if (!platform.architecture.empty()) text += "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

Platform normalize(Platform platform) {
  platform.os = normalize_system(platform.os);
  normalize_architecture(platform.architecture, platform.variant);
  auto& features = platform.os_features;
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  return platform;
}

std::optional<int> match_rank(const Platform& wanted, const Platform& offered) {
  if (offered.os.empty() || offered.architecture.empty()) return std::nullopt;
  Platform want = normalize(wanted);
  Platform offer = normalize(offered);
  if (want.os != offer.os) return std::nullopt;
  for (const auto& feature : offer.os_features) {
    if (!contains(want.os_features, feature)) return std::nullopt;
  }
  int rank = 0;
  for (auto& choice : compatible(want)) {
    normalize_architecture(choice.architecture, choice.variant);
    if (choice.architecture == offer.architecture && choice.variant == offer.variant) return rank;
    ++rank;
  }
  return std::nullopt;
}

}  // namespace proa::oci
