// What a transfer tells the user while it runs: bars on a terminal, a line for each finished part elsewhere, or JSON
// for programs; always on stderr.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace proa::cli {

class Progress;

// One part, such as a layer. Counting is lock-free; drawing happens at most ten times a second, in the thread that
// counts.
class ProgressItem {
  // Only Progress makes items, and a container has to be able to construct them.
  class Key {
    friend class Progress;
    Key() = default;
  };

 public:
  ProgressItem(Key, Progress& owner, std::string name, std::optional<std::uint64_t> total);

  void add(std::uint64_t bytes);             // more bytes are through
  void set_status(std::string status);       // "extracting"; shown instead of the rate
  void finish(std::string status = "done");  // the last word on it: "done", "already exists", "failed"

 private:
  friend class Progress;

  Progress& owner_;
  const std::string name_;
  const std::optional<std::uint64_t> total_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::chrono::steady_clock::time_point started_;
  std::string status_;  // with the owner's lock
  bool finished_ = false;
  std::uint64_t told_ = 0;  // Json: what the last object said
};

class Progress {
 public:
  enum class Mode { Bars, Lines, Json, Silent };
  // Bars when stderr is a terminal that can move its cursor (TERM set and not "dumb"), else Lines; Silent when told to
  // be quiet.
  static Mode detect(bool quiet);
  // What --progress says: auto, tty, plain, json or none. InvalidArgument for other words.
  static Mode parse(const std::string& word);

  explicit Progress(Mode mode, int fd = 2);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // leaves the bars as they stand

  // `name` may come from outside; it is escaped. The item lives as long as the Progress. Any thread may call.
  ProgressItem& add(std::string name, std::optional<std::uint64_t> total = std::nullopt);
  // A line above the bars: "Copying config sha256:...".
  void note(std::string line);
  // Json mode: one object, as a line. Nothing in the others.
  void object(const std::string& json);
  Mode mode() const { return mode_; }

 private:
  friend class ProgressItem;

  void maybe_draw();
  void draw();  // with the lock
  void tell_json();
  static std::string json_of(const ProgressItem& item);
  void write(const std::string& text) const;
  std::string bar_of(const ProgressItem& item, std::size_t width, std::size_t name_width) const;
  void item_finished(ProgressItem& item, std::string status);

  const Mode mode_;
  const int fd_;
  std::mutex lock_;
  std::deque<ProgressItem> items_;  // addresses stay
  std::size_t drawn_ = 0;           // lines on the terminal below the notes
  std::atomic<std::int64_t> next_draw_ = 0;
};

}  // namespace proa::cli
