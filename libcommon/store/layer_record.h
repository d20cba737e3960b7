// layer.json as a value. Internal to the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/store/store.h"

namespace proa::store {

// Corrupt when it is not the record of `chain`.
LayerRecord parse_layer_record(std::string_view json, const oci::ChainId& chain);
std::string encode_layer_record(const LayerRecord& record);
// Unpacked with one mapped id for a user who now works as `owners`, with more: foreign owners are notes in attributes,
// which no overlay follows.
bool is_outdated(const LayerRecord& record, std::string_view owners);
// layer.json in `directory` (relative to `at`); nullopt when absent.
std::optional<LayerRecord> read_layer_record(const os::Path& directory, int at, const oci::ChainId& chain);

}  // namespace proa::store
