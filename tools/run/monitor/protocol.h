// Records between a monitor and its clients: one SOCK_SEQPACKET message each, a letter and its argument.
#pragma once

#include <string>
#include <string_view>

#include "libcommon/base/error.h"

namespace proa::monitor {

inline constexpr const char* kControlSocket = "ctl";
inline constexpr std::size_t kChunk = 32 * 1024;

// From the client.
inline constexpr char kAttach = 'A';    // "A" output, "Ai" output and input
inline constexpr char kInput = 'I';     // bytes for stdin
inline constexpr char kInputEnd = 'C';  // stdin is at its end
inline constexpr char kResize = 'W';    // "ROWS COLUMNS"
inline constexpr char kSignal = 'S';    // number; answered by kReady or kFailure
inline constexpr char kStop = 'P';      // "SIGNAL SECONDS"; answered by kExit
inline constexpr char kWait = 'Q';      // answered by kExit
// From the monitor.
inline constexpr char kReady = 'R';        // started, or done
inline constexpr char kFailure = 'F';      // see Failure
inline constexpr char kNote = 'N';         // a line for the user
inline constexpr char kOutput = 'O';       // bytes of stdout
inline constexpr char kErrorOutput = 'E';  // bytes of stderr
inline constexpr char kExit = 'X';         // exit code

inline std::string message(char type, std::string_view body = {}) {
  std::string text(1, type);
  text += body;
  return text;
}

// An error on its way from the monitor to the client that waits for readiness.
struct Failure {
  int exit_code = 125;
  std::string text, hint;

  std::string encode() const;  // fields end with NUL
  static Failure parse(std::string_view body);
};
Failure failure_of(const std::exception& error);

}  // namespace proa::monitor
