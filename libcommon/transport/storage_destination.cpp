#include <fmt/core.h>

#include <exception>
#include <thread>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/rethrow.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/io/pipe.h"
#include "libcommon/store/store.h"
#include "libcommon/store/writer.h"
#include "libcommon/transport/storage.h"

namespace proa::transport {

namespace {

// Inflates a layer, checks its diff id and, unless it is unpacked already, unpacks it.
class LayerUnpacker {
 public:
  LayerUnpacker(store::Transaction& transaction, const BlobUse& use, os::IdMode mode) : use_(use), mode_(mode) {
    if (!transaction.has_layer(*use.chain_id)) writer_.emplace(transaction.begin_layer());
  }

  // Reads `blob` to its end.
  void run(std::unique_ptr<io::Source> blob) {
    const auto plain = io::decompress_any(std::move(blob));
    io::HashingSource tar(*plain, use_.diff_id->digest().algorithm());
    if (writer_) {
      archive::ApplyOptions options;
      options.mode = mode_;
      options.whiteouts =
          mode_ == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
      archive::apply_layer(tar, writer_->diff(), options);
    } else {
      io::NullSink sink;
      io::copy(tar, sink);
    }
    const auto diff_id = tar.finish();
    if (diff_id != use_.diff_id->digest()) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("the content has diff id {}, the config says {}", diff_id.str(), use_.diff_id->str()));
    }
  }

  void commit(const oci::Digest& blob) {
    if (!writer_) return;
    const auto& all = *use_.all_diff_ids;
    writer_->commit(
        std::vector<oci::DiffId>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(use_.layer_index) + 1), blob);
  }

 private:
  const BlobUse& use_;
  os::IdMode mode_;
  std::optional<store::LayerWriter> writer_;
};

// Source over a pipe that somebody else owns.
class PipeSource final : public io::Source {
 public:
  explicit PipeSource(io::Pipe& pipe) : pipe_(pipe) {}
  std::size_t read(io::Buffer buffer) override { return pipe_.source().read(buffer); }

 private:
  io::Pipe& pipe_;
};

class StorageDestination final : public ImageDestination {
 public:
  StorageDestination(const store::Store& store, StorageTarget target)
      : store_(store),
        target_(std::move(target)),
        transaction_(store::Transaction::begin(store, store::owners_word(target_.id_mode))) {
    traits_.accepts_index = false;
    traits_.applies_layers = true;
    traits_.signatures = SignatureStorage::Dropped;
  }

  std::string name() const override {
    return target_.names.empty() ? "storage:" : "storage:" + target_.names.front().str();
  }
  std::optional<oci::Reference> docker_reference() const override {
    return target_.names.empty() ? std::nullopt : std::optional(target_.names.front());
  }
  const DestinationTraits& traits() const override { return traits_; }
  void set_origin(const oci::Reference& name, const oci::Digest& top) override {
    origin_ = name.without_tag_and_digest();
    add_repo_digest(top);
  }

  void announce_layers(const std::vector<BlobUse>& layers, std::stop_token) override {
    std::vector<oci::ChainId> chains;
    for (const auto& layer : layers) {
      PROA_CHECK(layer.chain_id.has_value());
      chains.push_back(*layer.chain_id);
    }
    transaction_.claim_layers(chains);
  }

  std::optional<std::string> present_config(const oci::Descriptor& config) override {
    if (config.size > oci::kMaxConfigSize || !transaction_.has_blob(config.digest, config.size)) return std::nullopt;
    const auto content = transaction_.open_blob(config.digest);
    auto text = io::read_all(*content, oci::kMaxConfigSize, "image config");
    if (io::digest_of(io::as_bytes(text), config.digest.algorithm()) != config.digest)
      return std::nullopt;  // damaged here: the source has it whole
    return text;
  }

  bool try_reuse(const oci::Descriptor& blob, const BlobUse& use, const std::optional<oci::Reference>&,
                 std::stop_token) override {
    if (!transaction_.has_blob(blob.digest, blob.size)) return false;
    if (use.kind == BlobUse::Kind::Config) return true;
    // A blob and a layer that are both here need not belong together, whatever a manifest says: the layer's record
    // knows its blob, else the blob is inflated once more to see.
    if (transaction_.has_layer(*use.chain_id)) {
      const auto record = store_.layer(*use.chain_id);
      if (record && record->blob == blob.digest) return true;
    }
    try {
      LayerUnpacker unpacker(transaction_, use, target_.id_mode);
      unpacker.run(transaction_.open_blob(blob.digest));
      unpacker.commit(blob.digest);
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Corrupt) throw;
      log::debug(error.text());
      return false;  // what the peer sends decides
    }
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    try {
      if (auto stored = resume(plan, stop)) return *stored;
      auto blob = transaction_.begin_blob(plan.digest, plan.size);
      if (blob.offset() > 0) blob.restart();
      if (plan.use.kind == BlobUse::Kind::Config) {
        copy_stoppable(content, blob, nullptr, stop);
        return finish(blob);
      }
      PROA_CHECK(plan.use.diff_id && plan.use.chain_id && plan.use.all_diff_ids);
      return put_layer(plan, blob, nullptr, content, stop);
    } catch (const Error& error) {
      // The user will try again: what was complete so far need not come a second time. (Being stopped is no reason of
      // its own: that happens to the other layers when one of them is wrong.)
      if (error.code() == ErrorCode::Unavailable) transaction_.keep_for_resume();
      throw;
    }
  }

  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>&, std::stop_token) override {
    manifest_ = manifest;
  }

  void commit(std::stop_token) override {
    PROA_CHECK(manifest_.has_value());
    add_repo_digest(manifest_->digest());
    store::ImageOptions options;
    options.names = target_.names;
    options.repo_digests = repo_digests_;
    transaction_.put_image(manifest_->bytes, manifest_->media_type, options);
    transaction_.commit();
  }

 private:
  static StoredBlob finish(store::BlobWriter& blob) {
    const auto size = blob.size();
    return {.digest = blob.commit(), .size = size};
  }

  static void copy_stoppable(io::Source& content, io::Sink& blob, io::Sink* second, std::stop_token stop) {
    std::vector<std::byte> buffer(1 << 16);
    while (const auto got = content.read(buffer)) {
      if (stop.stop_requested()) throw Error(ErrorCode::Cancelled, "stopped");
      const io::Bytes data(buffer.data(), got);
      blob.write(data);
      if (second != nullptr) second->write(data);
    }
  }

  // Goes on with a layer that an interrupted transfer left; unpacking needs its bytes from the start, the peer only
  // sends the rest. nullopt: there is nothing to go on with, or nothing sound came of it: begin anew.
  std::optional<StoredBlob> resume(const BlobPlan& plan, const std::stop_token& stop) {
    if (plan.use.kind == BlobUse::Kind::Config || !plan.digest || !plan.reopen) return std::nullopt;
    auto blob = transaction_.begin_blob(plan.digest, plan.size);
    if (blob.offset() == 0) return std::nullopt;
    try {
      const auto kept = blob.kept();
      const auto rest = plan.reopen(blob.offset());
      return put_layer(plan, blob, kept.get(), *rest, stop);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Corrupt) throw;
      log::debug(error.text());
      return std::nullopt;
    }
  }

  // This thread reads, hashes and writes the blob; another one inflates, hashes the tar and writes files. `kept`: what
  // of the blob is written already, or null.
  StoredBlob put_layer(const BlobPlan& plan, store::BlobWriter& blob, io::Source* kept, io::Source& content,
                       std::stop_token stop) {
    LayerUnpacker unpacker(transaction_, plan.use, target_.id_mode);
    io::Pipe pipe;
    std::exception_ptr unpack_failure;
    std::thread worker([&] {
      const While unpacking{[&] {
        return fmt::format("unpacking layer {}{}", plan.use.layer_index + 1,
                           plan.digest ? " (" + plan.digest->short_id() + ")" : "");
      }};
      try {
        unpacker.run(std::make_unique<PipeSource>(pipe));
      } catch (...) {
        unpack_failure = std::current_exception();
        pipe.close_reader();
      }
    });
    std::exception_ptr read_failure;
    bool read_to_end = false;
    try {
      if (kept != nullptr) io::copy(*kept, pipe.sink());
      copy_stoppable(content, blob, &pipe.sink(), stop);
      read_to_end = true;
      pipe.sink().finish();
    } catch (...) {
      read_failure = std::current_exception();
      pipe.fail(read_failure);
    }
    worker.join();
    // When unpacking gives up, writing to the pipe fails as well; the cause is what the unpacker said. When reading
    // fails the unpacker only repeats it.
    if (unpack_failure && (read_to_end || is_cancelled(read_failure))) rethrow_here(unpack_failure);
    if (read_failure) std::rethrow_exception(read_failure);
    StoredBlob stored = finish(blob);
    unpacker.commit(stored.digest);
    return stored;
  }

  static bool is_cancelled(const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const Error& error) {
      return error.code() == ErrorCode::Cancelled;
    } catch (...) {
      return false;
    }
    return false;
  }

  void add_repo_digest(const oci::Digest& digest) {
    if (!origin_) return;
    repo_digests_.push_back(origin_->with_digest(digest).str());
  }

  const store::Store& store_;
  StorageTarget target_;
  store::Transaction transaction_;
  DestinationTraits traits_;
  std::optional<ManifestBytes> manifest_;
  std::optional<oci::Reference> origin_;
  std::vector<std::string> repo_digests_;
};

}  // namespace

std::unique_ptr<ImageDestination> open_storage_destination(const store::Store& store, StorageTarget target) {
  return std::make_unique<StorageDestination>(store, std::move(target));
}

}  // namespace proa::transport
