#include "tools/run/monitor/log_writer.h"

#include <unistd.h>

#include "libcommon/base/time.h"

namespace proa::monitor {

std::string format_log(std::string_view time, std::string_view stream, std::string_view data) {
  std::string text;
  text.reserve(data.size() + data.size() / 8 + 64);
  while (!data.empty()) {
    const auto end = data.find('\n');
    const bool whole = end != std::string_view::npos;
    text.append(time).append(1, ' ').append(stream).append(whole ? " F " : " P ");
    text.append(data.substr(0, end)).append(1, '\n');
    data.remove_prefix(whole ? end + 1 : data.size());
  }
  return text;
}

void LogWriter::write(std::string_view stream, std::string_view data) {
  if (!fd_.valid()) return;
  const std::string text = format_log(format_rfc3339(now()), stream, data);
  // One append per read keeps lines of one read together; what a full disk refuses is lost, the container goes on.
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace proa::monitor
