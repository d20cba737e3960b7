#include "libcommon/image/layer_copy.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/io/pipe.h"

namespace proa::image {

namespace {

using transport::BlobPlan;
using transport::StoredBlob;

// A layer of the source, opened when its first byte is wanted (a destination that has the beginning of it from an
// earlier run never asks for the whole). Tells the observer how far it has been read.
class LayerSource final : public io::Source {
 public:
  LayerSource(std::function<std::unique_ptr<io::Source>()> open, CopyObserver* observer, std::size_t slot)
      : open_(std::move(open)), observer_(observer), slot_(slot) {}
  std::size_t read(io::Buffer buffer) override {
    if (!inner_) inner_ = open_();
    const auto got = inner_->read(buffer);
    if (observer_ != nullptr && got > 0) observer_->blob_advanced(slot_, got);
    return got;
  }
  bool is_open() const { return inner_ != nullptr; }

 private:
  std::function<std::unique_ptr<io::Source>()> open_;
  std::unique_ptr<io::Source> inner_;
  CopyObserver* observer_;
  std::size_t slot_;
};

// Runs a compressor in a thread of its own; what comes out is read through source().
class CompressingSource {
 public:
  CompressingSource(std::unique_ptr<io::Source> plain, io::Compression compression, std::optional<int> level,
                    std::string doing)
      : worker_([this, plain = std::move(plain), compression, level, doing = std::move(doing)] {
          const While copying{[&] { return doing; }};
          try {
            auto sink = io::compress(pipe_.sink(), compression, level);
            io::copy(*plain, *sink);
            sink->finish();
          } catch (...) {
            pipe_.fail(std::current_exception());
          }
        }) {}
  ~CompressingSource() {
    pipe_.close_reader();
    worker_.join();
  }
  io::Source& source() { return pipe_.source(); }

 private:
  io::Pipe pipe_;
  std::thread worker_;
};

class LayerCopier {
 public:
  LayerCopier(const transport::ImageSource& source, transport::ImageDestination& destination,
              const CopyOptions& options, const CopyContext& context, const std::string& doing)
      : source_(source), destination_(destination), options_(options), context_(context), doing_(doing) {}

  StoredBlob copy(const LayerPlan& layer, std::size_t slot, std::stop_token stop) {
    if (context_.observer != nullptr) context_.observer->blob_started(slot, CopyObserver::Item::Layer, layer.from);
    bool reused = false;
    StoredBlob stored = store(layer, slot, reused, std::move(stop));
    if (context_.observer != nullptr) {
      context_.observer->blob_finished(slot, reused ? CopyObserver::Outcome::Reused : CopyObserver::Outcome::Copied);
    }
    return stored;
  }

 private:
  // A decompressor knows no names.
  static std::string what(const LayerPlan& layer) {
    return fmt::format("converting layer {} ({})", layer.use.layer_index + 1, layer.from.digest.short_id());
  }

  StoredBlob store(const LayerPlan& layer, std::size_t slot, bool& reused, std::stop_token stop) {
    if (const auto present = find_present(layer, stop)) {
      reused = true;
      return *present;
    }
    BlobPlan plan{.media_type = layer.media_type, .digest = {}, .size = {}, .use = layer.use, .reopen = {}};
    auto content = std::make_unique<LayerSource>([this, &layer, stop] { return source_.blob(layer.from, stop); },
                                                 context_.observer, slot);
    switch (layer.action) {
      case LayerAction::Keep: {
        plan.digest = layer.from.digest;
        plan.size = layer.from.size;
        plan.reopen = [this, &layer, stop, slot, &begun = *content](std::uint64_t offset) {
          return reopen(layer.from, offset, slot, begun.is_open(), stop);
        };
        return destination_.put_blob(plan, *content, stop);
      }
      case LayerAction::Decompress: {
        const While inflating{[&] { return what(layer); }};
        if (layer.use.diff_id) plan.digest = layer.use.diff_id->digest();
        const auto plain = io::decompress_any(std::move(content));
        return destination_.put_blob(plan, *plain, stop);
      }
      case LayerAction::Compress:
      case LayerAction::Recompress:
        break;
    }
    return compress(layer, plan, io::decompress_any(std::move(content)), stop);
  }

  // What was sent once has been counted already; what an earlier run left counts as a whole.
  std::unique_ptr<io::Source> reopen(const oci::Descriptor& blob, std::uint64_t offset, std::size_t slot, bool counted,
                                     const std::stop_token& stop) {
    auto rest = source_.unverified_rest(blob, offset, stop);
    if (counted || context_.observer == nullptr) return rest;
    context_.observer->blob_advanced(slot, offset);
    auto give = [rest = std::make_shared<std::unique_ptr<io::Source>>(std::move(rest))] { return std::move(*rest); };
    return std::make_unique<LayerSource>(std::move(give), context_.observer, slot);
  }

  StoredBlob compress(const LayerPlan& layer, const BlobPlan& plan, std::unique_ptr<io::Source> plain,
                      std::stop_token stop) {
    const std::string doing = fmt::format("{}: {}", doing_, what(layer));  // of another thread
    CompressingSource compressed(std::move(plain), layer.to, options_.compression_level, doing);
    StoredBlob stored = destination_.put_blob(plan, compressed.source(), stop);
    if (context_.memory != nullptr && layer.use.diff_id)
      context_.memory->remember(*layer.use.diff_id, layer.to, stored);
    return stored;
  }

  std::optional<StoredBlob> find_present(const LayerPlan& layer, std::stop_token stop) {
    const auto from = source_.docker_reference();
    const auto reuse = [&](const oci::Descriptor& blob) -> std::optional<StoredBlob> {
      if (!destination_.try_reuse(blob, layer.use, from, stop)) return std::nullopt;
      return StoredBlob{.digest = blob.digest, .size = blob.size};
    };
    if (layer.action == LayerAction::Keep) return reuse(layer.from);
    if (!layer.use.diff_id) return std::nullopt;
    oci::Descriptor wanted = layer.from;
    wanted.media_type = layer.media_type;
    if (layer.action == LayerAction::Decompress) return std::nullopt;  // its plain size is not known before it is read
    const auto known = context_.memory == nullptr ? std::nullopt : context_.memory->find(*layer.use.diff_id, layer.to);
    if (!known) return std::nullopt;
    wanted.digest = known->digest;
    wanted.size = known->size;
    return reuse(wanted);
  }

  const transport::ImageSource& source_;
  transport::ImageDestination& destination_;
  const CopyOptions& options_;
  const CopyContext& context_;
  const std::string& doing_;
};

// For each layer the first that is the same blob: one transfer does for all of them. Where layers are applied each has
// a place of its own in the stack.
std::vector<std::size_t> find_twins(const CopyPlan& plan, const transport::DestinationTraits& traits) {
  std::vector<std::size_t> twins(plan.layers.size());
  std::map<oci::Digest, std::size_t> first;
  for (std::size_t i = 0; i < twins.size(); ++i) {
    twins[i] = traits.applies_layers ? i : first.emplace(plan.layers[i].from.digest, i).first->second;
  }
  return twins;
}

}  // namespace

std::vector<StoredBlob> copy_layers(const CopyPlan& plan, const transport::ImageSource& source,
                                    transport::ImageDestination& destination, const CopyOptions& options,
                                    const CopyContext& context, std::size_t first_slot, const std::string& doing) {
  const std::size_t count = plan.layers.size();
  std::vector<std::optional<StoredBlob>> stored(count);
  LayerCopier copier(source, destination, options, context, doing);
  std::vector<transport::BlobUse> uses;
  for (const auto& layer : plan.layers) uses.push_back(layer.use);
  destination.announce_layers(uses, context.stop);
  std::stop_source stop;
  const std::stop_callback relay(context.stop, [&] { stop.request_stop(); });
  const auto twins = find_twins(plan, destination.traits());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;

  const auto work = [&] {
    const While copying{[&] { return doing; }};
    for (std::size_t i = next++; i < count && !stop.stop_requested(); i = next++) {
      if (twins[i] != i) continue;
      try {
        stored[i] = copier.copy(plan.layers[i], first_slot + i, stop.get_token());
      } catch (...) {
        const std::lock_guard guard(mutex);
        // The others fail only because they were stopped.
        const auto outcome = failure ? CopyObserver::Outcome::Stopped : CopyObserver::Outcome::Failed;
        if (!failure) failure = std::current_exception();
        if (context.observer != nullptr) context.observer->blob_finished(first_slot + i, outcome);
        stop.request_stop();
      }
    }
  };
  const std::size_t limit = std::min<std::size_t>(
      {count, options.parallel_layers, destination.traits().concurrent_blobs, source.concurrent_blobs()});
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < limit; ++i) workers.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
  if (context.stop.stop_requested()) throw Error(ErrorCode::Cancelled, "stopped");
  std::vector<StoredBlob> result;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& blob = stored[twins[i]];
    PROA_CHECK(blob.has_value());
    result.push_back(*blob);
    if (twins[i] == i || context.observer == nullptr) continue;
    context.observer->blob_started(first_slot + i, CopyObserver::Item::Layer, plan.layers[i].from);
    context.observer->blob_finished(first_slot + i, CopyObserver::Outcome::Reused);
  }
  return result;
}

}  // namespace proa::image
