#include "libcommon/trust/signature.h"

#include <fmt/core.h>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"

namespace proa::trust {
namespace {

constexpr std::string_view kSigstoreFormat = "sigstore-json";
constexpr std::string_view kOpenPgpFormat = "simple-signing";

Signature parse_sigstore(std::string_view json) {
  const auto document = oci::parse_json(json, "signature", kMaxSignatureSize * 2);
  const oci::JsonObject object(document, "signature");
  auto payload = base64_decode(object.require_string("payload"));
  if (!payload) object.fail("payload", "not base64");
  return {.format = Signature::Format::Sigstore,
          .payload = std::move(*payload),
          .media_type = object.require_string("mimeType"),
          .annotations = object.string_map("annotations")};
}

}  // namespace

Signature Signature::parse(std::string_view stored) {
  if (stored.empty()) throw Error(ErrorCode::Corrupt, "the signature is empty");
  // RFC 4880 4.2: the first bit of a packet is set; 0xff is no tag.
  const auto first = static_cast<unsigned char>(stored.front());
  if (first >= 0x80 && first < 0xff)
    return {.format = Format::OpenPgp, .payload = std::string(stored), .media_type = {}, .annotations = {}};
  if (first != 0) throw Error(ErrorCode::Corrupt, "unrecognized signature format");
  const auto parts = cut(stored.substr(1), "\n");
  if (!parts) throw Error(ErrorCode::Corrupt, "unrecognized signature format");
  if (parts->first == kSigstoreFormat) return parse_sigstore(parts->second);
  if (parts->first == kOpenPgpFormat)
    return {.format = Format::OpenPgp, .payload = std::string(parts->second), .media_type = {}, .annotations = {}};
  throw Error(ErrorCode::Unsupported,
              fmt::format("unknown signature format \"{}\"", escape_control(parts->first.substr(0, 40))));
}

std::string Signature::stored() const {
  if (format == Format::OpenPgp) return payload;
  nlohmann::ordered_json json;
  json["mimeType"] = media_type;
  json["payload"] = base64_encode(payload);
  json["annotations"] = annotations;
  std::string text(1, '\0');
  return text.append(kSigstoreFormat).append("\n").append(json.dump());
}

}  // namespace proa::trust
