// containers-registries.d(5): where signatures of images in a registry are kept beside it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/oci/reference.h"

namespace proa::config {

struct LookasideSection {
  std::string read_url;             // lookaside, once called sigstore; empty: none
  std::string write_url;            // lookaside-staging, sigstore-staging; empty: read_url
  std::optional<bool> attachments;  // use-sigstore-attachments

  bool operator==(const LookasideSection&) const = default;
};

class Lookasides {
 public:
  // The *.yaml files of `folder` (--registries.d), else of $HOME/.config/containers/registries.d when it is there, else
  // of /etc/containers/registries.d. No folder: nothing is configured.
  static Lookasides load(const std::optional<std::string>& folder = std::nullopt);
  // Adds a file. A scope that an earlier one described already is InvalidArgument.
  void add(std::string_view yaml, const std::string& name);

  enum class Access { Read, Write };
  // The URL below which the signatures of a repository are; where nothing is configured that is a folder of the user
  // (podman's own default), as file://.
  std::string url(const oci::Reference& reference, Access access) const;
  // The same without that default; nullopt: nothing is configured.
  std::optional<std::string> configured_url(const oci::Reference& reference, Access access) const;
  // Of a scope of policy.json, for listings; empty: nothing is configured.
  std::string url_of_scope(std::string_view scope) const;
  // Are signatures kept in the registry itself, under the tag sha256-HEX.sig?
  bool attachments(const oci::Reference& reference) const;

 private:
  template <typename Pick>
  auto first(const oci::Reference& reference, Pick pick) const;

  std::optional<LookasideSection> default_;
  std::map<std::string, LookasideSection, std::less<>> scopes_;
  std::string default_from_;
};

}  // namespace proa::config
