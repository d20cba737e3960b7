// The D-Bus wire protocol as far as a few calls to systemd need it: messages as bytes, no I/O.
// https://dbus.freedesktop.org/doc/dbus-specification.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace proa::os::dbus {

// Values in the byte order of this machine, each aligned as its type asks. A body starts at a multiple of 8, so that it
// is written on its own.
class Writer {
 public:
  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void number(std::uint32_t value);        // u; also b, as 0 or 1
  void text(std::string_view value);       // s, o
  void signature(std::string_view value);  // g; a variant is its signature, then the value
  void align(std::size_t size);            // 8 before a struct
  template <typename Fill>
  void array(std::size_t element_alignment, Fill fill) {
    number(0);
    const std::size_t length_at = out_.size() - sizeof(std::uint32_t);
    align(element_alignment);  // this padding is not part of the length
    const std::size_t begin = out_.size();
    fill();
    set_number(length_at, static_cast<std::uint32_t>(out_.size() - begin));
  }
  std::string take() { return std::move(out_); }

 private:
  void set_number(std::size_t at, std::uint32_t value);

  std::string out_;
};

// Throws Corrupt where the text ends too early or is no D-Bus.
class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}
  std::uint8_t byte();
  std::uint32_t number();
  std::string text();
  std::string signature();
  void align(std::size_t size);
  std::size_t position() const { return at_; }

 private:
  std::string_view take(std::size_t size);

  std::string_view data_;
  std::size_t at_ = 0;
};

struct Call {
  std::string path, interface, member, destination, signature, body;
};
std::string encode_call(std::uint32_t serial, const Call& call);

struct Message {
  enum class Kind : std::uint8_t { Call = 1, Return = 2, Error = 3, Signal = 4 };
  Kind kind = Kind::Call;
  std::uint32_t reply_to = 0;
  std::string member, error, signature, body;
};
inline constexpr std::size_t kMaxMessage = 1 << 20;
// Takes the first message out of `buffer`; nullopt: it is not whole yet. Throws Corrupt.
std::optional<Message> next_message(std::string& buffer);

}  // namespace proa::os::dbus
