// Image references: grammar of the distribution project's reference package; familiar names of docker.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/oci/digest.h"

namespace proa::oci {

class Reference {
 public:
  // Normalised like docker does it: "busybox" -> docker.io/library/busybox. No tag is added. InvalidArgument when
  // malformed.
  static Reference parse_normalized(std::string_view text);
  // The grammar alone; the domain may be empty.
  static Reference parse(std::string_view text);
  // A repository name without tag and digest, no defaults added.
  static Reference parse_name(std::string_view text);

  const std::string& domain() const { return domain_; }  // "docker.io", "localhost:5000"
  const std::string& path() const { return path_; }      // "library/busybox"
  const std::optional<std::string>& tag() const { return tag_; }
  const std::optional<Digest>& digest() const { return digest_; }

  std::string name() const;           // domain/path
  std::string str() const;            // name[:tag][@digest]
  std::string familiar_name() const;  // "busybox"
  std::string familiar() const;       // "busybox:latest"

  Reference with_tag(std::string tag) const;  // validated
  Reference with_digest(Digest digest) const;
  Reference without_tag() const;
  Reference without_tag_and_digest() const;
  Reference with_default_tag() const;  // :latest when there is neither tag nor digest

  // Does a shell pattern match the familiar form, with or without tag and digest? InvalidArgument: malformed pattern.
  bool matches(std::string_view pattern) const;

  bool operator==(const Reference&) const = default;

 private:
  std::string domain_, path_;
  std::optional<std::string> tag_;
  std::optional<Digest> digest_;
};

// What a user may name an image by: 64 hex digits or a digest are a digest, all else is a normalised name.
struct ImageName {
  std::optional<Reference> reference;
  std::optional<Digest> digest;  // set alone when the text was no name
};
ImageName parse_image_name(std::string_view text);

}  // namespace proa::oci
