// What nearly every source includes, parsed once for clang (PROA_PRECOMPILED, CMakeLists.txt). No source includes this
// by name or relies on it: gcc's builds and clang-tidy read the sources without it.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "libcommon/base/json.h"
