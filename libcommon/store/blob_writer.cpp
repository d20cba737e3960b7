// Blobs on their way into the store, and out of it.
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/transaction_state.h"

namespace proa::store {

namespace call = os::store_call;

struct BlobWriter::State {
  std::shared_ptr<Transaction::State> transaction;
  std::optional<oci::Digest> expected;
  std::optional<std::uint64_t> expected_size;
  os::Path name;  // below staging
  os::StoreFile file;
  io::Hasher hasher;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  bool done = false;

  oci::DigestAlgorithm algorithm() const { return expected ? expected->algorithm() : oci::DigestAlgorithm::Sha256; }
};

namespace {

os::Path part_name(const oci::Digest& digest) {
  return "part-" + std::string(digest.algorithm_name()) + "-" + std::string(digest.hex());
}

// Hashes what is there; returns its length.
std::uint64_t hash_file(int fd, io::Hasher& hasher, const os::Path& name) {
  std::vector<std::byte> buffer(1 << 17);
  std::uint64_t total = 0;
  while (std::size_t got = os::read_some(fd, buffer, name)) {
    hasher.update(std::span(buffer).first(got));
    total += got;
  }
  return total;
}

}  // namespace

BlobWriter::BlobWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobWriter::BlobWriter(BlobWriter&&) noexcept = default;

BlobWriter::~BlobWriter() {
  if (!state_) return;
  Transaction::State& transaction = *state_->transaction;
  std::lock_guard guard(transaction.mutex);
  transaction.parts_in_work.erase(state_->name);
  // What came so far stays until the transaction ends, which decides whether a successor may go on with it.
}

std::uint64_t BlobWriter::offset() const { return state_->offset; }
std::uint64_t BlobWriter::size() const { return state_->size; }

std::unique_ptr<io::Source> BlobWriter::kept() const {
  PROA_CHECK(state_->size == state_->offset);
  auto file = os::open(state_->name, O_RDONLY | O_NOFOLLOW, 0, state_->transaction->staging.fd());
  return std::make_unique<io::FdSource>(std::move(file), state_->name);
}

void BlobWriter::restart() {
  state_->file.truncate(0);
  state_->hasher = io::Hasher(state_->algorithm());
  state_->size = state_->offset = 0;
}

void BlobWriter::write(io::Bytes data) {
  State& state = *state_;
  if (state.expected_size && data.size() > *state.expected_size - state.size) {
    throw Error(ErrorCode::Corrupt, "blob " + state.expected->str() + " is longer than its size of " +
                                        std::to_string(*state.expected_size) + " bytes");
  }
  state.file.write(data);
  state.hasher.update(data);
  state.size += data.size();
}

oci::Digest BlobWriter::commit() {
  State& state = *state_;
  Transaction::State& transaction = *state.transaction;
  PROA_CHECK(!state.done);
  oci::Digest digest = state.hasher.finish();
  const int at = transaction.staging.fd();
  if ((state.expected && digest != *state.expected) || (state.expected_size && state.size != *state.expected_size)) {
    call::unlink(state.name, at);  // a successor must not go on with it
    throw Error(ErrorCode::Corrupt, "blob " + (state.expected ? state.expected->str() : digest.str()) + ": got " +
                                        std::to_string(state.size) + " bytes with digest " + digest.str());
  }
  std::lock_guard guard(transaction.mutex);
  call::rename(state.name, at, staged_blob(digest), at);
  transaction.blobs[digest] = state.size;
  state.done = true;
  return digest;
}

BlobWriter Transaction::begin_blob(std::optional<oci::Digest> expected, std::optional<std::uint64_t> size) {
  State& state = *state_;
  std::lock_guard guard(state.mutex);
  const int at = state.staging.fd();
  os::Path name = expected ? part_name(*expected) : state.fresh_name("new");
  // A second transfer of the same blob in this transaction works on a file of its own.
  if (state.parts_in_work.contains(name)) name = state.fresh_name("new");
  io::Hasher hasher(expected ? expected->algorithm() : oci::DigestAlgorithm::Sha256);
  std::uint64_t kept = 0;
  if (expected && (os::exists(name, at) || state.take_over(name))) {
    kept = hash_file(os::open(name, O_RDONLY | O_NOFOLLOW, 0, at).get(), hasher, name);
    if (size && kept > *size) {
      call::unlink(name, at);
      hasher = io::Hasher(expected->algorithm());
      kept = 0;
    }
  }
  os::StoreFile file = os::exists(name, at) ? os::StoreFile::append(name, at) : os::StoreFile::create(name, at);
  state.parts_in_work.insert(name);
  return BlobWriter(std::make_unique<BlobWriter::State>(BlobWriter::State{
      state_, std::move(expected), size, std::move(name), std::move(file), std::move(hasher), kept, kept}));
}

oci::Digest Transaction::put_blob(std::string_view content) {
  oci::Digest digest = io::digest_of(content);
  if (has_blob(digest, content.size())) return digest;
  BlobWriter writer = begin_blob(digest, content.size());
  if (writer.offset() > 0) writer.restart();
  writer.write(io::as_bytes(content));
  return writer.commit();
}

namespace {

std::unique_ptr<io::Source> verifying(os::UniqueFd fd, const oci::Digest& digest) {
  const std::string what = "blob " + digest.str();
  return std::make_unique<io::VerifyingSource>(std::make_unique<io::FdSource>(std::move(fd), what), digest,
                                               std::nullopt, what);
}

}  // namespace

std::unique_ptr<io::Source> Transaction::open_blob(const oci::Digest& digest) {
  {
    std::lock_guard guard(state_->mutex);
    if (!state_->has_blob(digest, std::nullopt))
      throw Error(ErrorCode::NotFound, "blob " + digest.str() + " is not in the store");
    if (state_->blobs.contains(digest)) {
      return verifying(os::open(staged_blob(digest), O_RDONLY | O_NOFOLLOW, 0, state_->staging.fd()), digest);
    }
  }
  return store::open_blob(state_->store, digest);
}

std::unique_ptr<io::Source> open_blob(const Store& store, const oci::Digest& digest) {
  return verifying(store.open_blob_file(digest), digest);
}

std::string read_verified_blob(const Store& store, const oci::Digest& digest, std::uint64_t max_size) {
  auto source = open_blob(store, digest);
  return io::read_all(*source, max_size, "blob " + digest.str());
}

}  // namespace proa::store
