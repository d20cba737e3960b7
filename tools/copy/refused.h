// Flags of the peers that are left out on purpose (docs/copy-flags.md): known, so that the error says what to do.
#pragma once

#include "libcommon/base/error.h"
#include "libcommon/cli/command.h"

namespace proa::copy {

template <typename Options>
void refuse_flag(cli::CommandBuilder<Options>& builder, const char* name, bool takes_value, const char* what_to_do) {
  builder
      .custom(
          name,
          [what_to_do](Options&, const std::string&) {
            throw Error(ErrorCode::Unsupported, "this flag is not supported", what_to_do);
          },
          "Not supported", takes_value ? "VALUE" : "")
      .hide_last();
}

// ocicrypt: such layers are copied as they are, but neither made nor read here.
template <typename Options>
void refuse_encryption(cli::CommandBuilder<Options>& builder) {
  for (const char* name : {"encryption-key", "decryption-key", "encrypt-layer"})
    refuse_flag(builder, name, true,
                "layers are neither encrypted nor decrypted here; encrypted ones are copied as they are");
}

}  // namespace proa::copy
