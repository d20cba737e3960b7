// A registry in memory (distribution-spec v1.1) behind a FakeServer: with authentication of each kind, and with faults.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "libcommon/oci/digest.h"
#include "tests/support/fake_server.h"

namespace proa::testing {

struct FakeRegistryOptions {
  enum class Auth { None, Basic, Bearer } auth = Auth::None;
  std::string user = "user", password = "secret";
  std::string identity_token;  // accepted by the token server in a POST
  std::string realm;           // Bearer: empty means our own /token
  int token_life = 300;        // what is announced, in seconds
  std::string address = "127.0.0.1";
  std::size_t page = 1000;  // tags in one answer, at most
  bool referrers = false;   // keeps the list of them
};

class FakeRegistry {
 public:
  explicit FakeRegistry(FakeRegistryOptions options = {});

  FakeServer& server() { return server_; }
  std::string host() const { return server_.authority(); }
  oci::Digest add_blob(const std::string& repository, std::string bytes);
  oci::Digest add_manifest(const std::string& repository, const std::string& tag, std::string raw,
                           const std::string& type);
  bool has_blob(const std::string& repository, const oci::Digest& digest) const;
  std::string manifest(const std::string& repository, const std::string& reference) const;
  std::size_t open_uploads() const;
  void expire_tokens();  // those given out so far are no longer taken

 private:
  struct Stored {
    std::string raw, type;
  };
  FakeAnswer handle(const FakeRequest& request);
  FakeAnswer challenge() const;
  bool may_pass(const FakeRequest& request);
  FakeAnswer give_token(const FakeRequest& request);
  FakeAnswer manifests(const FakeRequest& request, const std::string& repository, const std::string& reference);
  FakeAnswer blobs(const FakeRequest& request, const std::string& repository, const std::string& digest);
  FakeAnswer uploads(const FakeRequest& request, const std::string& repository, const std::string& id);
  FakeAnswer tags(const FakeRequest& request, const std::string& repository);
  FakeAnswer referrers(const FakeRequest& request, const std::string& repository, const std::string& subject);

  FakeRegistryOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> blobs_;  // repository, digest
  std::map<std::string, std::map<std::string, Stored>> manifests_;   // repository, tag or digest
  std::map<std::string, std::string> uploads_;
  std::set<std::string> tokens_;
  int next_ = 0;
  FakeServer server_;  // last: its threads use what is above
};

}  // namespace proa::testing
