// Lookasides: URL/PATH@sha256=HEX/signature-1, -2, ... (containers/image, "signature access protocols").
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "libcommon/oci/reference.h"
#include "libcommon/trust/signature.h"

namespace proa::transport {

class SignatureList;

// The folder of a file:// URL.
std::optional<std::string> lookaside_folder(const std::string& url);
void read_lookaside(const std::string& url, const oci::Reference& repository, const oci::Digest& manifest,
                    SignatureList& list, std::stop_token stop);
// Appends a signature unless it is there already; returns its file.
std::string add_to_lookaside(const std::string& folder, const oci::Reference& repository, const oci::Digest& manifest,
                             const trust::Signature& signature);

}  // namespace proa::transport
