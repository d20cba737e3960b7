// TLS is verified, and never given up for plain HTTP. The servers are openssl's. A binary of its own: once a program
// has been started, ThreadSanitizer no longer sees locks being taken.
#include "tests/support/tls_server.h"

#include <gtest/gtest.h>

#include "tests/support/registry_fixture.h"

namespace proa::registry {
namespace {

using namespace proa::testing;
using http::Failure;

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_openssl()) GTEST_SKIP() << "needs openssl";
    authority = std::make_unique<TestAuthority>();
    environment.set("XDG_CONFIG_HOME", config.path());
  }
  static http::Client client(http::Tls tls) {
    return http::Client({.tls = std::move(tls), .timeouts = quick_options().timeouts, .user_agent = {}});
  }
  static std::string get(const http::Client& client, const std::string& url) {
    return io::read_all(*client.send({.url = url}).body, 1000, "body");
  }
  template <typename Action>
  static Failure failure_of(Action action) {
    try {
      action();
    } catch (const http::TransferError& error) {
      return error.failure();
    }
    throw std::runtime_error("no TransferError");
  }
  std::unique_ptr<TestAuthority> authority;
  TempDir config;
  Environment environment;
};

TEST_F(Tls, OnlyKnownAuthoritiesAreTrusted) {
  TlsServer server(*authority, "good");
  server.serve("x", kAnswer);
  EXPECT_EQ(failure_of([&] { get(client({}), server.url() + "/x"); }), Failure::Certificate);
  EXPECT_EQ(get(client({.ca_files = {authority->file("ca")}}), server.url() + "/x"), "{}");
  EXPECT_EQ(get(client({.verify = false}), server.url() + "/x"), "{}");
}

TEST_F(Tls, CertificateOfAnotherHostIsRefused) {
  TlsServer server(*authority, "other");
  server.serve("x", kAnswer);
  EXPECT_EQ(failure_of([&] { get(client({.ca_files = {authority->file("ca")}}), server.url() + "/x"); }),
            Failure::Certificate);
}

TEST_F(Tls, ClientCertificateIsShown) {
  TlsServer server(*authority, "good", true);
  server.serve("x", kAnswer);
  http::Tls tls{.ca_files = {authority->file("ca")}};
  EXPECT_THROW(get(client(tls), server.url() + "/x"), http::TransferError);
  tls.client_certificate = authority->file("client");
  tls.client_key = authority->key("client");
  EXPECT_EQ(get(client(tls), server.url() + "/x"), "{}");
}

TEST_F(Tls, RedirectToPlainHttpIsRefused) {
  TlsServer server(*authority, "good");
  FakeServer plain([](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = "{}"}; });
  server.serve("x", "HTTP/1.1 307 Away\r\nLocation: " + plain.url() + "/y\r\nContent-Length: 0\r\n\r\n");
  const auto error = error_of([&] { get(client({.ca_files = {authority->file("ca")}}), server.url() + "/x"); });
  EXPECT_EQ(error.code(), ErrorCode::Unavailable);
  EXPECT_NE(error.text().find("without TLS"), std::string::npos);
  EXPECT_TRUE(plain.requests().empty());
  EXPECT_EQ(get(client({.verify = false}), server.url() + "/x"), "{}");
}

// A wrong certificate on a loopback host is no reason to fall back to plain HTTP: somebody may sit on that port.
TEST_F(Tls, WrongCertificateNeverLeadsToPlainHttp) {
  TlsServer server(*authority, "good");
  const auto error = error_of([&] { Session(server.authority(), quick_options()).base_url(); });
  EXPECT_NE(error.text().find("GET https://"), std::string::npos) << error.text();
  EXPECT_NE(error.hint().find("certs.d/" + server.authority()), std::string::npos) << error.hint();
}

TEST_F(Tls, AuthorityFromCertsDirectory) {
  TlsServer server(*authority, "good");
  config.write("containers/certs.d/" + server.authority() + "/ca.crt", os::read_file(authority->file("ca"), 1 << 20));
  EXPECT_EQ(Session(server.authority(), quick_options()).base_url(), server.url());
}

// A server that wants a client certificate speaks TLS all the same.
TEST_F(Tls, ClientCertificateFromCertsDirectory) {
  TlsServer server(*authority, "good", true);
  const std::string folder = "containers/certs.d/" + server.authority() + "/";
  const auto text = [](const std::string& path) { return os::read_file(path, 1 << 20); };
  config.write(folder + "ca.crt", text(authority->file("ca")));
  const auto error = error_of([&] { Session(server.authority(), quick_options()).base_url(); });
  EXPECT_NE(error.text().find("GET https://"), std::string::npos) << error.text();
  EXPECT_NE(error.hint().find("client.cert"), std::string::npos) << error.text();
  config.write(folder + "client.cert", text(authority->file("client")));
  config.write(folder + "client.key", text(authority->key("client")));
  EXPECT_EQ(Session(server.authority(), quick_options()).base_url(), server.url());
}

// A token server without TLS would learn the password of a registry that has it.
TEST_F(Tls, TokenServerWithoutTlsIsRefused) {
  TlsServer server(*authority, "good");
  FakeServer plain(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = R"({"token":"x"})"}; });
  server.serve("v2/app/manifests/1", "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"" + plain.url() +
                                         "/token\"\r\nContent-Length: 0\r\n\r\n");
  config.write("containers/certs.d/" + server.authority() + "/ca.crt", os::read_file(authority->file("ca"), 1 << 20));
  auto session = std::make_shared<Session>(server.authority(), with_password("user", "secret"));
  const auto error = error_of([&] { Repository(session, "app", Access::Pull).manifest("1"); });
  EXPECT_EQ(error.code(), ErrorCode::Unavailable) << error.text();
  EXPECT_TRUE(plain.requests().empty());
}

}  // namespace
}  // namespace proa::registry
