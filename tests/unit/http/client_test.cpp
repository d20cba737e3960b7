#include "libcommon/http/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/environment.h"
#include "tests/support/fake_server.h"

namespace proa::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::FakeAnswer;
using testing::FakeRequest;
using testing::FakeServer;
using testing::Fault;

FakeAnswer echo(const FakeRequest& request) {
  return {.status = 200, .headers = {}, .body = request.method + " " + request.body};
}

Timeouts quick() {
  return {
      .connect = milliseconds(500), .response = milliseconds(300), .stall = milliseconds(300), .minimum_bytes = 4096};
}

Client make_client() { return Client({.tls = {}, .timeouts = {}, .user_agent = "test"}); }
Client make_hasty_client() { return Client({.tls = {}, .timeouts = quick(), .user_agent = "test"}); }

std::string get(const Client& client, const std::string& url, Headers headers = {}) {
  auto response = client.send({.url = url, .headers = std::move(headers)});
  return io::read_all(*response.body, 64 << 20, "body");
}

template <typename Action>
Failure failure_of(Action action) {
  try {
    action();
  } catch (const TransferError& error) {
    return error.failure();
  }
  throw std::runtime_error("no TransferError");
}

TEST(HttpClient, SendsMethodsHeadersAndBodies) {
  FakeServer server(echo);
  const auto client = make_client();
  EXPECT_EQ(get(client, server.url() + "/x?y", {{"X-Test", "1"}}), "GET ");
  auto response = client.send({.method = "PUT", .url = server.url() + "/p", .body = std::string("text")});
  EXPECT_EQ(io::read_all(*response.body, 100, "body"), "PUT text");
  io::MemorySource unknown(std::string(300000, 'u'));
  response = client.send({.method = "PATCH", .url = server.url() + "/p", .body = StreamBody{&unknown, std::nullopt}});
  EXPECT_EQ(io::read_all(*response.body, 1 << 20, "body"), "PATCH " + std::string(300000, 'u'));
  io::MemorySource known(std::string(300000, 'k'));
  response = client.send({.method = "PATCH", .url = server.url() + "/p", .body = StreamBody{&known, 300000}});
  EXPECT_EQ(io::read_all(*response.body, 1 << 20, "body"), "PATCH " + std::string(300000, 'k'));
  response = client.send({.method = "POST", .url = server.url() + "/p", .body = std::string()});
  EXPECT_EQ(response.status, 200);

  const auto seen = server.requests();
  EXPECT_EQ(seen[0].header("x-test"), "1");
  EXPECT_EQ(seen[0].query, "y");
  EXPECT_EQ(seen[0].header("accept-encoding"), "");
  EXPECT_EQ(seen[2].header("transfer-encoding"), "chunked");
  EXPECT_EQ(seen[3].header("content-length"), "300000");
  EXPECT_EQ(seen[4].header("content-length"), "0");
  EXPECT_EQ(seen[4].header("content-type"), "");
}

TEST(HttpClient, UsesOneConnectionForRequestsInARow) {
  FakeServer server(echo);
  const auto client = make_client();
  for (int i = 0; i < 5; ++i) get(client, server.url());
  EXPECT_EQ(client.send({.method = "HEAD", .url = server.url()}).status, 200);
  get(client, server.url());
  EXPECT_EQ(server.connections(), 1U);
}

TEST(HttpClient, ServesSeveralThreads) {
  FakeServer server([](const FakeRequest& request) {
    return FakeAnswer{.status = 200, .headers = {}, .body = std::string(500000, request.path[1])};
  });
  const auto client = make_client();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (char name = 'a'; name < 'g'; ++name) {
    threads.emplace_back([&, name] {
      for (int i = 0; i < 10; ++i) good += get(client, server.url() + "/" + name) == std::string(500000, name);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 60);
  EXPECT_LE(server.connections(), 6U);
}

// What is not read stays with the server, but for our window and the buffers of the sockets.
TEST(HttpClient, HoldsTheServerBackWhileNobodyReads) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = std::string(64 << 20, 'x')}; });
  const auto client = make_client();
  auto response = client.send({.url = server.url()});
  std::byte some[1000];
  response.body->read(some);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_LT(server.bytes_sent(), 16U << 20);
  EXPECT_EQ(io::read_all(*response.body, 64 << 20, "body").size() + sizeof some, 64U << 20);
}

TEST(HttpClient, TellsEveryStatusAsAnAnswer) {
  FakeServer server(echo);
  server.add({.instead = FakeAnswer{.status = 503, .headers = {{"Retry-After", "7"}}, .body = "busy"}});
  const auto response = make_client().send({.url = server.url()});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("retry-AFTER"), "7");
  EXPECT_EQ(response.content_length(), 4U);
}

TEST(HttpClient, NoticesBodiesThatAreCut) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = std::string(100000, 'x')}; });
  const auto client = make_client();
  server.add({.cut_after = 50000});
  EXPECT_EQ(failure_of([&] { get(client, server.url()); }), Failure::Broken);
  server.add({.cut_after = 50000, .chunked = true});
  EXPECT_EQ(failure_of([&] { get(client, server.url()); }), Failure::Broken);
  server.add({.drop = true});
  EXPECT_EQ(failure_of([&] { get(client, server.url()); }), Failure::Broken);
}

TEST(HttpClient, EndsWithinTheTimeLimitWhenTheServerStalls) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = std::string(100000, 'x')}; });
  const auto client = make_hasty_client();
  server.add({.stall_after = 50000});
  const auto before = steady_clock::now();
  EXPECT_EQ(failure_of([&] { get(client, server.url()); }), Failure::Timeout);
  // One byte now and then keeps no connection alive.
  server.add({.drip_after = 50000});
  EXPECT_EQ(failure_of([&] { get(client, server.url()); }), Failure::Timeout);
  EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(10));
}

TEST(HttpClient, EndsWithinTheTimeLimitWhenNoAnswerComes) {
  std::atomic<bool> stop = false;
  FakeServer server([&](const FakeRequest&) {
    while (!stop) std::this_thread::sleep_for(milliseconds(5));
    return FakeAnswer{};
  });
  const auto before = steady_clock::now();
  EXPECT_EQ(failure_of([&] { get(make_hasty_client(), server.url()); }), Failure::Timeout);
  EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(10));
  stop = true;
}

TEST(HttpClient, IsSlowOnlyWhenItWaits) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = std::string(8 << 20, 'x')}; });
  const Client client({.tls = {}, .timeouts = {.stall = milliseconds(2000)}, .user_agent = {}});
  auto response = client.send({.url = server.url()});
  std::byte some[1000];
  response.body->read(some);
  std::this_thread::sleep_for(milliseconds(2500));  // the reader's own business
  EXPECT_EQ(io::read_all(*response.body, 8 << 20, "body").size() + sizeof some, 8U << 20);
}

TEST(HttpClient, IsStoppedWhileItWaits) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = std::string(100000, 'x')}; });
  server.add({.stall_after = 10});
  const auto client = make_client();
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop.request_stop();
  });
  const auto before = steady_clock::now();
  try {
    auto response = client.send({.url = server.url()}, stop.get_token());
    io::read_all(*response.body, 1 << 20, "body");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Cancelled);
  }
  EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(10));
}

TEST(HttpClient, RefusesEndlessHeaders) {
  FakeServer server(echo);
  server.add({.header_flood = 70000});
  try {
    get(make_client(), server.url());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::LimitExceeded) << error.text();
  }
}

FakeAnswer redirect_to(const std::string& url, int status = 307) {
  return {.status = status, .headers = {{"Location", url}}, .body = {}};
}

TEST(HttpClient, FollowsRedirectsWithAuthorizationOnTheSameOriginOnly) {
  FakeServer other(echo, "127.0.0.2");
  FakeServer other_port(echo);
  FakeServer server(echo);
  const auto client = make_client();
  for (const auto& [target, passes] : {std::pair{server.url() + "/there", true},
                                       {other_port.url() + "/there", false},
                                       {other.url() + "/there", false}}) {
    server.add({.path_contains = "/here", .instead = redirect_to(target)});
    EXPECT_EQ(get(client, server.url() + "/here", {{"Authorization", "Basic c2VjcmV0"}}), "GET ");
    const auto& asked = target.starts_with(server.url())  ? server
                        : target.starts_with(other.url()) ? other
                                                          : other_port;
    EXPECT_EQ(asked.requests().back().header("authorization"), passes ? "Basic c2VjcmV0" : "") << target;
  }
}

TEST(HttpClient, DoesNotShowAuthorizationAgainAfterADetour) {
  FakeServer other(echo, "127.0.0.2");
  FakeServer server(echo);
  server.add({.path_contains = "/here", .instead = redirect_to(other.url() + "/there")});
  other.add({.instead = redirect_to(server.url() + "/back")});
  get(make_client(), server.url() + "/here", {{"Authorization", "Basic c2VjcmV0"}});
  EXPECT_EQ(server.requests().back().path, "/back");
  EXPECT_EQ(server.requests().back().header("authorization"), "");
}

TEST(HttpClient, GivesUpAfterFiveRedirects) {
  FakeServer server([](const FakeRequest&) { return redirect_to("/again"); });
  try {
    get(make_client(), server.url());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::LimitExceeded);
  }
  EXPECT_EQ(server.requests().size(), 6U);
}

TEST(HttpClient, FollowsRedirectsToHttpOnly) {
  FakeServer server(echo);
  server.add({.instead = redirect_to("file:///etc/passwd")});
  EXPECT_THROW(get(make_client(), server.url()), Error);
}

TEST(HttpClient, SendsABodyToNoOtherOrigin) {
  FakeServer other(echo, "127.0.0.2");
  FakeServer server(echo);
  server.add({.instead = redirect_to(other.url())});
  const auto response =
      make_client().send({.method = "POST", .url = server.url(), .body = std::string("refresh_token=secret")});
  EXPECT_EQ(response.status, 307);
  EXPECT_TRUE(other.requests().empty());
}

class Endless final : public io::Source {
 public:
  std::size_t read(io::Buffer buffer) override {
    EXPECT_FALSE(gone);
    read_ += buffer.size();
    return buffer.size();
  }
  std::uint64_t read_ = 0;
  bool gone = false;  // its owner has no more use for it
};

// The answer is what counts, and the body's source is left alone afterwards.
TEST(HttpClient, SeesAnEarlyRefusalOfAnUpload) {
  FakeServer server(echo);
  server.add({.instead = FakeAnswer{.status = 413, .headers = {}, .body = "too large"}, .before_body = true});
  Endless source;
  auto response =
      make_client().send({.method = "PATCH", .url = server.url(), .body = StreamBody{&source, std::nullopt}});
  source.gone = true;
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(io::read_all(*response.body, 100, "body"), "too large");
}

TEST(HttpClient, NoticesAnUploadThatIsCut) {
  FakeServer server(echo);
  server.add({.cut_upload_after = 100000});
  Endless source;
  EXPECT_EQ(failure_of([&] {
              make_client().send({.method = "PATCH", .url = server.url(), .body = StreamBody{&source, std::nullopt}});
            }),
            Failure::Broken);
  EXPECT_LT(source.read_, 32U << 20);
}

TEST(HttpClient, PassesOnWhatTheSourceOfABodyThrows) {
  class Broken final : public io::Source {
   public:
    std::size_t read(io::Buffer) override { throw Error(ErrorCode::Corrupt, "bad content"); }
  };
  FakeServer server(echo);
  Broken source;
  try {
    make_client().send({.method = "PATCH", .url = server.url(), .body = StreamBody{&source, std::nullopt}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Corrupt);
  }
}

TEST(HttpClient, NamesTheHostThatCannotBeReached) {
  std::string url;
  {
    FakeServer server(echo);
    url = server.url();
  }
  try {
    get(make_client(), url + "/v2/?token=secret");
    FAIL();
  } catch (const TransferError& error) {
    EXPECT_EQ(error.failure(), Failure::Connect);
    EXPECT_EQ(error.text(), "GET " + url + "/v2/: Connection refused");
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(failure_of([&] { get(make_client(), "http://nosuch.invalid/"); }), Failure::Resolve);
}

TEST(HttpClient, UsesTheProxyOfTheEnvironmentButNeverForLoopback) {
  FakeServer proxy(echo);
  FakeServer server(echo);
  testing::Environment environment;
  for (const char* name : {"http_proxy", "no_proxy", "NO_PROXY", "REQUEST_METHOD"}) environment.set(name, std::nullopt);
  environment.set("HTTP_PROXY", proxy.url());
  EXPECT_EQ(get(make_client(), "http://registry.invalid/v2/"), "GET ");
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].path, "http://registry.invalid/v2/");
  get(make_client(), server.url());
  environment.set("http_proxy", proxy.url());
  get(make_client(), server.url());
  EXPECT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(get(make_client(), "http://registry.invalid/v2/"), "GET ");
  environment.set("no_proxy", ".invalid");
  EXPECT_EQ(failure_of([&] { get(make_client(), "http://registry.invalid/v2/"); }), Failure::Resolve);
  EXPECT_EQ(proxy.requests().size(), 2U);
}

TEST(HttpClient, TunnelsThroughTheProxyAreToldNoSecretsOfTheRegistry) {
  FakeServer proxy([](const FakeRequest&) { return FakeAnswer{.status = 403, .headers = {}, .body = {}}; });
  testing::Environment environment;
  for (const char* name : {"https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"})
    environment.set(name, std::nullopt);
  environment.set("HTTPS_PROXY", "http://someone:proxysecret@" + proxy.authority());
  const Request request{.url = "https://registry.invalid/v2/", .headers = {{"Authorization", "Bearer secret"}}};
  try {
    (void)make_client().send(request);
    FAIL();
  } catch (const TransferError& error) {
    EXPECT_EQ(error.text().find("secret"), std::string::npos) << error.text();
  }
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].method, "CONNECT");
  EXPECT_EQ(proxy.requests()[0].path, "registry.invalid:443");
  EXPECT_EQ(proxy.requests()[0].header("authorization"), "");
  EXPECT_NE(proxy.requests()[0].header("proxy-authorization"), "");
  environment.set("NO_PROXY", "other.invalid,registry.invalid");
  EXPECT_EQ(failure_of([&] { (void)make_client().send(request); }), Failure::Resolve);
  EXPECT_EQ(proxy.requests().size(), 1U);
}

TEST(HttpClient, TellsAServerWithoutTlsFromOneWithAWrongCertificate) {
  FakeServer server(echo);
  EXPECT_EQ(failure_of([&] { get(make_client(), "https://" + server.authority() + "/"); }), Failure::Tls);
}

}  // namespace
}  // namespace proa::http
