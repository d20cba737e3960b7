#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <stdexcept>

namespace proa::testing {
namespace {

struct Closed {};  // thrown when the client is gone, or has to be
struct Cut {};     // thrown where a fault ends a request

std::string status_line(int status) { return "HTTP/1.1 " + std::to_string(status) + " Status\r\n"; }

}  // namespace

struct FakeServer::Connection {
  os::UniqueFd socket;
  std::string buffer;  // read, not yet used
  std::thread thread;
  std::optional<Fault> fault;

  void read_more() {
    char bytes[65536];
    const auto count = ::recv(socket.get(), bytes, sizeof bytes, 0);
    if (count <= 0) throw Closed{};
    buffer.append(bytes, static_cast<std::size_t>(count));
  }
  std::string line() {
    while (buffer.find("\r\n") == std::string::npos && !is_tls()) read_more();
    if (is_tls()) return {};  // though its random bytes may look like a line
    const auto end = buffer.find("\r\n");
    std::string result = buffer.substr(0, end);
    buffer.erase(0, end + 2);
    return result;
  }
  bool is_tls() const { return buffer.starts_with('\x16'); }  // the first byte of a handshake
  std::string exactly(std::size_t size) {
    while (buffer.size() < size) {
      if (fault && fault->cut_upload_after && buffer.size() >= *fault->cut_upload_after) throw Cut{};
      read_more();
    }
    std::string result = buffer.substr(0, size);
    buffer.erase(0, size);
    return result;
  }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const auto count = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) throw Closed{};
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
};

std::string FakeRequest::header(std::string_view name) const {
  const auto at = headers.find(name);
  return at == headers.end() ? std::string{} : at->second;
}

FakeServer::FakeServer(Handler handler, const std::string& address) : handler_(std::move(handler)), address_(address) {
  listener_ = os::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  socklen_t size = sizeof name;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    throw std::runtime_error("cannot listen on " + address);
  }
  port_ = ntohs(name.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (auto& connection : open_) ::shutdown(connection.socket.get(), SHUT_RDWR);
  }
  for (auto& connection : open_) connection.thread.join();
}

std::string FakeServer::authority() const { return address_ + ":" + std::to_string(port_); }

void FakeServer::add(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

std::vector<FakeRequest> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t FakeServer::count(std::string_view method, std::string_view path_contains) const {
  const auto all = requests();
  return static_cast<std::size_t>(std::ranges::count_if(all, [&](const FakeRequest& request) {
    return request.method == method && (request.path + "?" + request.query).find(path_contains) != std::string::npos;
  }));
}

void FakeServer::accept_all() {
  while (!stopping_) {
    os::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    auto& connection = open_.emplace_back();
    connection.socket = std::move(socket);
    connection.thread = std::thread([this, &connection] { serve(connection); });
  }
}

void FakeServer::serve(Connection& connection) {
  try {
    while (!stopping_) {
      const auto request = receive(connection);
      if (!request) break;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      if (!answer(connection, *request, connection.fault)) break;
      if (!connection.fault || !connection.fault->before_body) continue;
      // Closing with unread bytes would reset the connection before the answer is read.
      ::shutdown(connection.socket.get(), SHUT_WR);
      while (true) connection.read_more();
    }
  } catch (const Closed&) {
  }
  const std::lock_guard lock(mutex_);
  connection.socket.reset();
}

std::optional<Fault> FakeServer::fault_for(const std::string& method, const std::string& target) {
  const std::lock_guard lock(mutex_);
  for (auto& fault : faults_) {
    const bool fits =
        (fault.method.empty() || fault.method == method) && target.find(fault.path_contains) != std::string::npos;
    if (!fits || fault.times == 0) continue;
    if (fault.times > 0) --fault.times;
    return fault;
  }
  return std::nullopt;
}

std::optional<FakeRequest> FakeServer::receive(Connection& connection) {
  FakeRequest request;
  const auto parts = split(connection.line(), ' ');
  if (parts.size() != 3) {  // a TLS hello, say: answered as servers without TLS do
    connection.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    return std::nullopt;
  }
  request.method = parts[0];
  request.path = parts[1].substr(0, parts[1].find('?'));
  if (request.path.size() < parts[1].size()) request.query = parts[1].substr(request.path.size() + 1);
  for (std::string line = connection.line(); !line.empty(); line = connection.line()) {
    if (const auto pair = cut(line, ":")) request.headers[to_lower(pair->first)] = trim(pair->second);
  }
  connection.fault = fault_for(request.method, parts[1]);
  if (connection.fault && connection.fault->before_body) return request;
  try {
    receive_body(connection, request);
  } catch (const Cut&) {
    if (request.header("transfer-encoding").empty()) request.body += connection.buffer;
    if (connection.fault->deliver_part) handler_(request);
    throw Closed{};
  }
  return request;
}

void FakeServer::receive_body(Connection& connection, FakeRequest& request) {
  const auto cut_after = connection.fault ? connection.fault->cut_upload_after : std::nullopt;
  if (request.header("transfer-encoding") == "chunked") {
    while (const auto size = parse_integer<std::size_t>(connection.line(), 16)) {
      request.body += connection.exactly(*size);
      connection.line();
      if (*size == 0) break;
      if (cut_after && request.body.size() >= *cut_after) throw Cut{};
    }
  } else if (const auto size = parse_integer<std::size_t>(request.header("content-length"))) {
    request.body = connection.exactly(*size);
  }
}

bool FakeServer::answer(Connection& connection, const FakeRequest& request, const std::optional<Fault>& wanted) {
  const Fault fault = wanted.value_or(Fault{});
  if (fault.drop) return false;
  FakeRequest seen = request;
  if (fault.ignore_range) seen.headers.erase("range");
  FakeAnswer answer = fault.instead ? *fault.instead : handler_(seen);
  if (fault.edit) fault.edit(answer);
  if (fault.flood > 0) answer.body.assign(fault.flood, '\0');
  std::string head = status_line(answer.status);
  for (const auto& [name, value] : answer.headers) {
    const bool shifted = name == "Content-Range" && !fault.shift_range.empty();
    head += name + ": " + (shifted ? fault.shift_range : value) + "\r\n";
  }
  if (fault.header_flood > 0) head += "X-Flood: " + std::string(fault.header_flood, 'x') + "\r\n";
  if (fault.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!fault.no_length) {
    head += "Content-Length: " + std::to_string(static_cast<long>(answer.body.size()) + fault.add_to_length) + "\r\n";
  }
  connection.write(head + "\r\n");
  if (request.method == "HEAD") return true;
  return send_body(connection, answer.body, fault);
}

// False: the connection is to be closed.
bool FakeServer::send_body(Connection& connection, const std::string& body, const Fault& fault) {
  constexpr std::size_t kPiece = 65536;
  const std::size_t end = std::min(body.size(), fault.cut_after.value_or(body.size()));
  for (std::size_t at = 0; at < end;) {
    std::size_t piece = std::min(kPiece, end - at);
    if (fault.stall_after && at < *fault.stall_after) piece = std::min(piece, *fault.stall_after - at);
    if (fault.stall_after && at >= *fault.stall_after) sleep(std::chrono::seconds(60));
    if (fault.drip_after && at < *fault.drip_after) piece = std::min(piece, *fault.drip_after - at);
    if (fault.drip_after && at >= *fault.drip_after) {
      sleep(std::chrono::milliseconds(20));
      piece = 1;
    }
    if (stopping_) return false;
    if (fault.chunked) {
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", piece);
      connection.write(size + body.substr(at, piece) + "\r\n");
    } else {
      connection.write(std::string_view(body).substr(at, piece));
    }
    bytes_sent_ += piece;
    at += piece;
  }
  if (fault.cut_after || fault.no_length || fault.add_to_length > 0) return false;
  if (fault.chunked) connection.write("0\r\n\r\n");
  return true;
}

void FakeServer::sleep(std::chrono::milliseconds time) const {
  const auto until = std::chrono::steady_clock::now() + time;
  while (!stopping_ && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace proa::testing
