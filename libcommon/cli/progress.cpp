#include "libcommon/cli/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"

namespace proa::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kDrawInterval = 100'000'000;  // nanoseconds
constexpr std::size_t kMaxNameWidth = 24;
constexpr std::size_t kMaxBarWidth = 30;

std::int64_t nanoseconds_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// Columns and rows; bars beyond the rows could not be drawn over again.
std::pair<std::size_t, std::size_t> terminal_size(int fd) {
  struct winsize size {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

std::string rate_of(std::uint64_t bytes, Clock::time_point started) {
  double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  return seconds < 0.5 ? "" : human_size(static_cast<double>(bytes) / seconds, 3) + "/s";
}

}  // namespace

ProgressItem::ProgressItem(Key, Progress& owner, std::string name, std::optional<std::uint64_t> total)
    : owner_(owner), name_(std::move(name)), total_(total), started_(Clock::now()) {}

void ProgressItem::add(std::uint64_t bytes) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  owner_.maybe_draw();
}

void ProgressItem::set_status(std::string status) {
  std::lock_guard hold(owner_.lock_);
  status_ = escape_control(status);
}

void ProgressItem::finish(std::string status) { owner_.item_finished(*this, escape_control(status)); }

Progress::Mode Progress::detect(bool quiet) {
  if (quiet) return Mode::Silent;
  const char* term = std::getenv("TERM");
  bool capable = term && *term && std::string_view(term) != "dumb";
  return capable && ::isatty(2) ? Mode::Bars : Mode::Lines;
}

Progress::Mode Progress::parse(const std::string& word) {
  if (word.empty() || word == "auto") return detect(false);
  if (word == "tty") return Mode::Bars;
  if (word == "plain") return Mode::Lines;
  if (word == "json" || word == "rawjson") return Mode::Json;
  if (word == "none" || word == "quiet") return Mode::Silent;
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown kind of progress \"{}\"", escape_control(word)),
              "choose auto, tty, plain, json or none");
}

Progress::Progress(Mode mode, int fd) : mode_(mode), fd_(fd) {}

Progress::~Progress() {
  std::lock_guard hold(lock_);
  if (mode_ == Mode::Bars) draw();
}

ProgressItem& Progress::add(std::string name, std::optional<std::uint64_t> total) {
  std::lock_guard hold(lock_);
  items_.emplace_back(ProgressItem::Key(), *this, escape_control(name), total);
  if (mode_ == Mode::Bars) draw();
  return items_.back();
}

void Progress::note(std::string line) {
  std::lock_guard hold(lock_);
  if (mode_ == Mode::Silent) return;
  if (mode_ == Mode::Json) return write(json_text(nlohmann::json{{"status", "note"}, {"message", line}}) + "\n");
  std::string text;
  // Over the bars, which draw() then puts below again.
  if (drawn_ > 0) text = fmt::format("\x1b[{}A\x1b[J", drawn_);
  drawn_ = 0;
  write(text + escape_control(line) + "\n");
  if (mode_ == Mode::Bars) draw();
}

void Progress::object(const std::string& json) {
  std::lock_guard hold(lock_);
  if (mode_ == Mode::Json) write(json + "\n");
}

// {"id":"Copying blob 0123456789ab","status":"copying","current":1024,"total":4096}
std::string Progress::json_of(const ProgressItem& item) {
  const std::uint64_t bytes = item.bytes_;
  nlohmann::ordered_json json = {{"id", item.name_},
                                 {"status", item.finished_ || !item.status_.empty() ? item.status_ : "copying"},
                                 {"current", bytes}};
  if (item.total_) json["total"] = *item.total_;
  return json_text(json) + "\n";
}

void Progress::tell_json() {
  std::string text;
  for (auto& item : items_) {
    const std::uint64_t bytes = item.bytes_;
    if (item.finished_ || bytes == item.told_) continue;
    item.told_ = bytes;
    text += json_of(item);
  }
  write(text);
}

void Progress::item_finished(ProgressItem& item, std::string status) {
  std::lock_guard hold(lock_);
  if (item.finished_) return;
  item.finished_ = true;
  item.status_ = std::move(status);
  if (mode_ == Mode::Bars) draw();
  if (mode_ == Mode::Json) write(json_of(item));
  if (mode_ != Mode::Lines) return;
  std::uint64_t bytes = item.bytes_;
  std::string size = bytes == 0 ? "" : fmt::format(" ({})", human_size(static_cast<double>(bytes), 3));
  write(fmt::format("{}: {}{}\n", item.name_, item.status_, size));
}

void Progress::maybe_draw() {
  if (mode_ != Mode::Bars && mode_ != Mode::Json) return;
  std::int64_t now = nanoseconds_now();
  std::int64_t due = next_draw_;
  if (now < due || !next_draw_.compare_exchange_strong(due, now + kDrawInterval)) return;
  std::lock_guard hold(lock_);
  mode_ == Mode::Json ? tell_json() : draw();
}

// Finished parts scroll up and stay; those under way are drawn over.
void Progress::draw() {
  auto [columns, rows] = terminal_size(fd_);
  std::size_t name_width = 0;
  for (const auto& item : items_) name_width = std::max(name_width, std::min(item.name_.size(), kMaxNameWidth));
  std::size_t room = rows > 2 ? rows - 1 : 1;
  std::size_t first = items_.size() > room ? items_.size() - room : 0;
  std::string text = drawn_ > 0 ? fmt::format("\x1b[{}A", drawn_) : "";
  for (std::size_t i = first; i < items_.size(); ++i) text += bar_of(items_[i], columns, name_width) + "\x1b[K\n";
  drawn_ = items_.size() - first;
  write(text);
}

std::string Progress::bar_of(const ProgressItem& item, std::size_t width, std::size_t name_width) const {
  std::uint64_t bytes = item.bytes_;
  std::string line = fmt::format("{:<{}} ", ellipsis(item.name_, name_width), name_width);
  if (item.finished_) {
    line += item.status_;
  } else if (item.total_ && *item.total_ > 0) {
    std::size_t bar = std::min(kMaxBarWidth, width > line.size() + 40 ? width - line.size() - 40 : 0);
    auto filled = static_cast<std::size_t>(
        static_cast<double>(bar) * std::min(1.0, static_cast<double>(bytes) / static_cast<double>(*item.total_)));
    if (bar > 0) line += fmt::format("[{}{}] ", std::string(filled, '='), std::string(bar - filled, ' '));
    line += fmt::format("{}/{}", human_size(static_cast<double>(bytes), 3),
                        human_size(static_cast<double>(*item.total_), 3));
  } else {
    line += human_size(static_cast<double>(bytes), 3);
  }
  if (!item.finished_) line += "  " + (item.status_.empty() ? rate_of(bytes, item.started_) : item.status_);
  return ellipsis(line, width > 1 ? width - 1 : width);
}

void Progress::write(const std::string& text) const {
  // Progress that cannot be shown is no reason to fail.
  std::string_view left = text;
  while (!left.empty()) {
    ssize_t written = ::write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace proa::cli
