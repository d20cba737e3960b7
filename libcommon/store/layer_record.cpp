#include "libcommon/store/layer_record.h"

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

using Json = nlohmann::json;

[[noreturn]] void corrupt(const oci::ChainId& chain) {
  throw Error(ErrorCode::Corrupt, "the record of layer " + chain.str() + " is damaged",
              "run `proa system check --repair`");
}

}  // namespace

LayerRecord parse_layer_record(std::string_view text, const oci::ChainId& chain) {
  Json json = read_json(text);
  if (!json.is_object()) corrupt(chain);
  try {
    if (json.at("version").get<int>() > layout::kVersion) {
      throw Error(ErrorCode::Unsupported, "layer " + chain.str() + " was made by a newer proa");
    }
    LayerRecord record{.chain = chain,
                       .diff_id = oci::DiffId(oci::Digest::parse(json.at("diffId").get<std::string>())),
                       .stack = {},
                       .blob = {},
                       .size = json.at("size").get<std::uint64_t>(),
                       .entries = json.at("entries").get<std::uint64_t>(),
                       .owners = json.at("owners").get<std::string>(),
                       .fingerprint = json.at("fingerprint").get<std::string>(),
                       .boot_id = json.at("bootId").get<std::string>(),
                       .adopted = json.at("adopted").get<bool>()};
    if (auto blob = json.at("blob").get<std::string>(); !blob.empty()) record.blob = oci::Digest::parse(blob);
    for (const Json& item : json.at("stack")) record.stack.emplace_back(oci::Digest::parse(item.get<std::string>()));
    if (record.stack.empty() || record.stack.size() > oci::kMaxLayers || record.stack.back() != chain) corrupt(chain);
    return record;
  } catch (const Json::exception&) {
    corrupt(chain);
  }
}

std::string encode_layer_record(const LayerRecord& record) {
  Json stack = Json::array();
  for (const oci::ChainId& chain : record.stack) stack.push_back(chain.str());
  Json json = {{"version", layout::kVersion}, {"diffId", record.diff_id.str()},
               {"stack", std::move(stack)},   {"blob", record.blob ? record.blob->str() : ""},
               {"size", record.size},         {"entries", record.entries},
               {"owners", record.owners},     {"fingerprint", record.fingerprint},
               {"bootId", record.boot_id},    {"adopted", record.adopted}};
  return json_text(json) + "\n";
}

bool is_outdated(const LayerRecord& record, std::string_view owners) {
  return record.owners == "single" && owners != "single";
}

std::optional<LayerRecord> read_layer_record(const os::Path& directory, int at, const oci::ChainId& chain) {
  auto text = os::try_read_file(directory + "/layer.json", layout::kMaxRecordSize, at);
  if (!text) return std::nullopt;
  return parse_layer_record(*text, chain);
}

}  // namespace proa::store
