// HTTPS on loopback with certificates made for the test, by openssl(1): each file of `folder` is served as a whole
// answer.
#pragma once

#include <fcntl.h>
#include <poll.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "tests/support/environment.h"

namespace proa::testing {

inline bool has_openssl() { return os::find_program("openssl").has_value(); }

// A private authority, "good.pem" of it for localhost and 127.0.0.1, "other.pem" for another host, "client.pem" for
// clients.
class TestAuthority {
 public:
  TestAuthority() {
    run({"req", "-x509", "-subj", "/CN=test authority", "-keyout", key("ca"), "-out", file("ca")}, "");
    issue("good", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    issue("other", "subjectAltName=DNS:elsewhere.test");
    issue("client", "extendedKeyUsage=clientAuth");
  }
  std::string file(const std::string& name) const { return folder.path(name + ".pem"); }
  std::string key(const std::string& name) const { return folder.path(name + ".key"); }

  TempDir folder;

 private:
  static void run(std::vector<std::string> arguments, const std::string& extension) {
    const std::string command = arguments[0];
    for (const auto* more : {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"}) {
      if (command == "req") arguments.emplace_back(more);
    }
    const auto output = os::run({.program = "openssl", .arguments = std::move(arguments)}, extension);
    if (!output.status.success()) throw std::runtime_error("openssl " + command + ": " + output.err);
  }
  void issue(const std::string& name, const std::string& extension) const {
    const std::string request = folder.path(name + ".csr");
    run({"req", "-subj", "/CN=" + name, "-keyout", key(name), "-out", request}, "");
    folder.write(name + ".ext", extension + "\n");
    run({"x509", "-req", "-in", request, "-CA", file("ca"), "-CAkey", key("ca"), "-CAcreateserial", "-extfile",
         folder.path(name + ".ext"), "-out", file(name)},
        "");
  }
};

class TlsServer {
 public:
  TlsServer(const TestAuthority& authority, const std::string& certificate, bool asks_for_certificate = false) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    output_ = os::UniqueFd(ends[0]);
    const os::UniqueFd other_end(ends[1]);
    const auto nothing = os::open("/dev/null", O_RDWR);
    os::SpawnPlan plan{.program = "openssl",
                       .arguments = {"s_server", "-accept", "127.0.0.1:0", "-cert", authority.file(certificate), "-key",
                                     authority.key(certificate), "-HTTP"}};
    if (asks_for_certificate) {
      for (const auto& more : {std::string("-Verify"), std::string("1"), std::string("-verify_return_error"),
                               std::string("-CAfile"), authority.file("ca")}) {
        plan.arguments.push_back(more);
      }
    }
    plan.working_directory = answers.path();
    plan.descriptors = {{nothing.get(), 0}, {other_end.get(), 1}, {nothing.get(), 2}};
    server_ = std::make_unique<os::Child>(os::spawn(plan));
    read_port();
  }
  std::string authority() const { return "127.0.0.1:" + port_; }
  std::string url() const { return "https://" + authority(); }
  void serve(const std::string& name, const std::string& answer) const { answers.write(name, answer); }

  TempDir answers;

 private:
  void read_port() {
    std::string text;
    while (true) {
      const auto start = text.find("ACCEPT 127.0.0.1:");
      const auto end = start == std::string::npos ? start : text.find('\n', start);
      if (end != std::string::npos) {
        port_ = text.substr(start + 17, end - start - 17);
        return;
      }
      std::byte some[256];
      const auto count = os::read_some(output_.get(), some, "openssl");
      if (count == 0) throw std::runtime_error("openssl s_server ended: " + text);
      text.append(reinterpret_cast<const char*>(some), count);
    }
  }

  os::UniqueFd output_;
  std::unique_ptr<os::Child> server_;
  std::string port_;
};

}  // namespace proa::testing
