// A small HTTP/1.1 server on loopback for tests: a thread for each connection, a handler, and faults that spoil its
// answers.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libcommon/base/strings.h"
#include "libcommon/os/unique_fd.h"

namespace proa::testing {

struct FakeRequest {
  std::string method, path, query;
  StringMap<std::string> headers;  // names in lower case
  std::string body;

  std::string header(std::string_view name) const;
};

struct FakeAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// What goes wrong with requests whose method and path fit, `times` times (-1: always). The first fault that fits and is
// not used up counts.
struct Fault {
  std::string method;         // empty: any
  std::string path_contains;  // in the path with its query
  int times = 1;

  std::optional<FakeAnswer> instead;            // this in place of the handler's answer
  bool drop = false;                            // closed without any answer
  std::optional<std::size_t> cut_after;         // closed after so many bytes of the body
  std::optional<std::size_t> stall_after;       // silent from there on
  std::optional<std::size_t> drip_after;        // from there on one byte in 20 ms
  std::optional<std::size_t> cut_upload_after;  // closed after so many bytes of the request's body
  bool deliver_part = false;                    // what came until then still reaches the handler
  bool before_body = false;                     // the answer comes before the request's body was read
  bool no_length = false;                       // neither length nor chunks: the end is where the connection closes
  bool chunked = false;
  long add_to_length = 0;  // announced, compared with what is sent
  std::size_t flood = 0;   // so many zero bytes in place of the body
  std::size_t header_flood = 0;
  bool ignore_range = false;  // for handlers that serve ranges
  std::string shift_range;    // Content-Range to claim for a part
  std::function<void(FakeAnswer&)> edit;
};

class FakeServer {
 public:
  using Handler = std::function<FakeAnswer(const FakeRequest&)>;
  // Any address of 127.0.0.0/8: two servers may be two hosts.
  explicit FakeServer(Handler handler, const std::string& address = "127.0.0.1");
  ~FakeServer();

  std::string authority() const;  // "127.0.0.1:12345"
  std::string url() const { return "http://" + authority(); }
  void add(Fault fault);
  std::vector<FakeRequest> requests() const;
  std::size_t count(std::string_view method, std::string_view path_contains) const;
  std::size_t connections() const { return connections_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  struct Connection;
  void accept_all();
  void serve(Connection& connection);
  std::optional<FakeRequest> receive(Connection& connection);
  void receive_body(Connection& connection, FakeRequest& request);
  std::optional<Fault> fault_for(const std::string& method, const std::string& target);
  bool answer(Connection& connection, const FakeRequest& request, const std::optional<Fault>& fault);
  bool send_body(Connection& connection, const std::string& body, const Fault& fault);
  void sleep(std::chrono::milliseconds time) const;

  Handler handler_;
  std::string address_;
  std::uint16_t port_ = 0;
  os::UniqueFd listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> connections_ = 0;
  std::atomic<std::uint64_t> bytes_sent_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<FakeRequest> requests_;
  std::list<Fault> faults_;
  std::list<Connection> open_;
  std::thread acceptor_;
};

}  // namespace proa::testing
