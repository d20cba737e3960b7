#include "libcommon/os/dbus.h"

#include <bit>
#include <cstring>

#include "libcommon/base/error.h"

namespace proa::os::dbus {
namespace {

constexpr char kByteOrder = std::endian::native == std::endian::little ? 'l' : 'B';
constexpr std::size_t kFixedHeader = 16;  // up to and with the length of the array of fields

enum Field : std::uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8,
};

[[noreturn]] void corrupt() { throw Error(ErrorCode::Corrupt, "the answer of systemd is no D-Bus message"); }

std::size_t padded(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

std::uint32_t number_at(std::string_view data, std::size_t at) {
  std::uint32_t value;
  std::memcpy(&value, data.data() + at, sizeof value);
  return value;
}

void put_field(Writer& out, Field field, const char* type, std::string_view value) {
  if (value.empty()) return;
  out.align(8);
  out.byte(field);
  out.signature(type);
  if (*type == 'g') {
    out.signature(value);
  } else {
    out.text(value);
  }
}

void read_field(Reader& in, Message& message) {
  in.align(8);
  const std::uint8_t field = in.byte();
  const std::string type = in.signature();
  if (type == "u") {
    const std::uint32_t value = in.number();
    if (field == kReplySerial) message.reply_to = value;
  } else if (type == "s" || type == "o") {
    std::string value = in.text();
    if (field == kMember) {
      message.member = std::move(value);
    } else if (field == kErrorName) {
      message.error = std::move(value);
    }
  } else if (type == "g") {
    std::string value = in.signature();
    if (field == kSignature) message.signature = std::move(value);
  } else {
    corrupt();
  }
}

}  // namespace

void Writer::align(std::size_t size) { out_.resize(padded(out_.size(), size), '\0'); }

void Writer::number(std::uint32_t value) {
  align(4);
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void Writer::text(std::string_view value) {
  number(static_cast<std::uint32_t>(value.size()));
  out_.append(value);
  out_.push_back('\0');
}

void Writer::signature(std::string_view value) {
  byte(static_cast<std::uint8_t>(value.size()));
  out_.append(value);
  out_.push_back('\0');
}

void Writer::set_number(std::size_t at, std::uint32_t value) { std::memcpy(out_.data() + at, &value, sizeof value); }

std::string_view Reader::take(std::size_t size) {
  if (size > data_.size() - at_) corrupt();
  const std::string_view taken = data_.substr(at_, size);
  at_ += size;
  return taken;
}

void Reader::align(std::size_t size) { take(padded(at_, size) - at_); }

std::uint8_t Reader::byte() { return static_cast<std::uint8_t>(take(1).front()); }

std::uint32_t Reader::number() {
  align(4);
  return number_at(take(4), 0);
}

std::string Reader::text() {
  std::string value(take(number()));
  if (take(1).front() != '\0') corrupt();
  return value;
}

std::string Reader::signature() {
  std::string value(take(byte()));
  if (take(1).front() != '\0') corrupt();
  return value;
}

std::string encode_call(std::uint32_t serial, const Call& call) {
  Writer out;
  out.byte(static_cast<std::uint8_t>(kByteOrder));
  out.byte(static_cast<std::uint8_t>(Message::Kind::Call));
  out.byte(0);  // flags
  out.byte(1);  // version of the protocol
  out.number(static_cast<std::uint32_t>(call.body.size()));
  out.number(serial);
  out.array(8, [&] {
    put_field(out, kPath, "o", call.path);
    put_field(out, kDestination, "s", call.destination);
    put_field(out, kInterface, "s", call.interface);
    put_field(out, kMember, "s", call.member);
    put_field(out, kSignature, "g", call.signature);
  });
  out.align(8);
  return out.take() + call.body;
}

std::optional<Message> next_message(std::string& buffer) {
  if (buffer.size() < kFixedHeader) return std::nullopt;
  if (buffer[0] != kByteOrder || buffer[3] != 1) corrupt();
  const std::size_t body_size = number_at(buffer, 4);
  const std::size_t fields_size = number_at(buffer, 12);
  if (body_size > kMaxMessage || fields_size > kMaxMessage) corrupt();
  const std::size_t header_size = padded(kFixedHeader + fields_size, 8);
  if (buffer.size() < header_size + body_size) return std::nullopt;

  Message message;
  message.kind = static_cast<Message::Kind>(buffer[1]);
  const std::string_view header = std::string_view(buffer).substr(0, kFixedHeader + fields_size);
  Reader in(header);
  for (std::size_t skipped = 0; skipped < kFixedHeader; ++skipped) in.byte();
  while (in.position() < header.size()) read_field(in, message);
  message.body = buffer.substr(header_size, body_size);
  buffer.erase(0, header_size + body_size);
  return message;
}

}  // namespace proa::os::dbus
