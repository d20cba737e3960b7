// COPY and ADD.
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "libcommon/archive/import.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/identity.h"
#include "tools/build/stage_run.h"
#include "tools/build/steps/copy_files.h"

namespace proa::build {
namespace {

struct Expanded {
  std::vector<std::string> sources;
  std::vector<InlineFile> files;
  std::string destination;  // absolute
  bool into_folder = false;
  std::string chown, chmod;
  std::vector<std::string> excludes;
};

bool is_remote(const std::string& source) {
  return source.starts_with("http://") || source.starts_with("https://") || source.starts_with("git://") ||
         source.starts_with("ssh://") || source.starts_with("git@");
}

bool names_folder(const std::string& path) {
  return path.ends_with('/') || path == "." || path == ".." || path.ends_with("/.") || path.ends_with("/..");
}

std::optional<mode_t> parse_mode(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto mode = parse_integer<std::uint32_t>(text, 8);
  if (!mode || *mode > 07777) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--chmod={}: a mode is an octal number up to 7777", escape_control(text)));
  }
  return *mode;
}

// Files of the context become root's, those of stages and images keep their owner.
std::optional<Ownership> parse_owner(const std::string& text, const os::Dir& root, bool from_context) {
  if (text.empty()) return from_context ? std::optional(Ownership{}) : std::nullopt;
  runtime::Identity identity = runtime::resolve_identity(text, {}, root);
  // A number alone stands for the group too, as the reference has it.
  bool number_alone = text.find_first_not_of("0123456789") == std::string::npos;
  return Ownership{identity.uid, number_alone ? identity.uid : identity.gid};
}

// The plain tar in a file, or nullptr: ADD copies what is no archive.
std::unique_ptr<io::Source> open_archive(const SourceTree& tree, const Source& source) {
  if (!S_ISREG(source.st.st_mode)) return nullptr;
  auto open = [&] {
    return archive::decompress_import(std::make_unique<io::FdSource>(tree.open_file(entry_of(source)), source.path));
  };
  std::array<std::byte, archive::kTarHeadSize> head;
  std::size_t size = 0;
  try {
    size = io::read_full(*open(), head);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Corrupt) throw;
    return nullptr;  // begins like a compressed file, but is none
  }
  return archive::looks_like_tar(std::span(head).first(size)) ? open() : nullptr;
}

void unpack(io::Source& tar, const SourceTree& tree, const Source& source, CopyFiles& files, os::IdMode mode) {
  While unpacking{[&] { return fmt::format("unpacking {}", escape_control(source.path)); }};
  os::Dir folder(files.destination_folder(), source.path);
  archive::apply_layer(tar, folder, {.mode = mode, .whiteouts = archive::WhiteoutStyle::Plain});
  tree.check(source.fd.get(), source.path);
}

void refuse_unsupported(const Transfer& transfer, const Expanded& expanded) {
  auto refuse = [](const std::string& what) { throw Error(ErrorCode::Unsupported, what + " is not supported"); };
  if (transfer.parents) refuse("--parents");
  if (!transfer.checksum.empty()) refuse("--checksum");
  if (transfer.keep_git_dir) refuse("--keep-git-dir");
  for (const std::string& source : expanded.sources) {
    if (transfer.add && is_remote(source))
      refuse(fmt::format("ADD from a URL ({})", escape_control(source.substr(0, source.find('?')))));
  }
}

}  // namespace

void StageRun::transfer(const Instruction&, const Transfer& transfer) {
  Expanded expanded;
  for (const std::string& source : transfer.sources) expanded.sources.push_back(word(source));
  for (InlineFile file : transfer.files) {
    if (file.expand) file.content = state_.scope.expand_content(file.content, state_.config.env);
    expanded.files.push_back(std::move(file));
  }
  std::string destination = word(transfer.destination);
  if (destination.empty()) throw Error(ErrorCode::InvalidArgument, "the destination is empty");
  expanded.into_folder = names_folder(destination);
  expanded.destination = join_workdir(state_.config.working_dir, destination);
  expanded.chown = word(transfer.chown);
  expanded.chmod = word(transfer.chmod);
  for (const std::string& exclude : transfer.excludes) expanded.excludes.push_back(word(exclude));
  refuse_unsupported(transfer, expanded);
  if (expanded.sources.size() + expanded.files.size() > 1 && !expanded.into_folder) {
    throw Error(ErrorCode::InvalidArgument,
                "with more than one source, the destination must be a folder and end with a /");
  }

  bool add = transfer.add && transfer.unpack.value_or(true);
  KeyBuilder builder = key(transfer.add ? "add" : "copy");
  builder.add("destination", expanded.destination)
      .add("folder", expanded.into_folder ? "yes" : "no")
      .add("unpack", add ? "yes" : "no");
  builder.add("chown", expanded.chown).add("chmod", expanded.chmod).add("excludes", expanded.excludes);
  for (const InlineFile& file : expanded.files) builder.add(file.name, file.content);

  IgnoreRules excludes(expanded.excludes);
  SourceTree* tree = nullptr;
  std::vector<Source> sources;
  auto select = [&] {
    for (const std::string& pattern : expanded.sources) {
      for (Source& source : tree->select(pattern)) sources.push_back(std::move(source));
    }
  };
  std::optional<Origin> origin;
  if (!transfer.from.empty()) {
    origin = resolve_origin(builder_.file(), index_, word(transfer.from));
    if (origin->kind == Origin::Kind::Scratch) throw Error(ErrorCode::InvalidArgument, "scratch has no files to copy");
    // A chain id stands for the content of all its files.
    const Snapshot& from = builder_.origin_snapshot(*origin);
    builder.add("from", from.top ? from.top->str() : "scratch").add("sources", expanded.sources);
  } else if (!expanded.sources.empty()) {
    tree = &builder_.context();
    select();
    for (const Source& source : sources) builder.add("source", tree->digest(source, excludes));
  }
  std::string text =
      fmt::format("{}{} {} {}", transfer.add ? "ADD" : "COPY", transfer.from.empty() ? "" : " --from=" + transfer.from,
                  join(expanded.sources, " "), transfer.destination);
  std::string step = builder.finish();
  oci::History entry = history(std::move(text));
  if (cached(step, entry)) return;

  Snapshot before = snapshot();
  WorkRoot root = session_.open_root(before);
  if (origin) {
    tree = &builder_.origin_tree(*origin);
    select();
  }
  {
    os::Dir dir = root.dir();
    CopyRequest request{expanded.destination, expanded.into_folder || sources.size() > 1,
                        Owner(session_.plan().mode, parse_owner(expanded.chown, dir, !origin)),
                        parse_mode(expanded.chmod), excludes};
    CopyFiles files(dir, request);
    for (const Source& source : sources) {
      std::unique_ptr<io::Source> tar = add ? open_archive(*tree, source) : nullptr;
      if (!tar) {
        files.copy(*tree, source);
        continue;
      }
      if (!expanded.chown.empty() || !expanded.chmod.empty()) {
        throw Error(ErrorCode::Unsupported, fmt::format("--chown and --chmod are not supported for the archive {}",
                                                        escape_control(source.path)));
      }
      unpack(*tar, *tree, source, files, session_.plan().mode);
    }
    for (const InlineFile& file : expanded.files) files.write(file.name, file.content);
  }
  set_snapshot(session_.commit_step(step, before, std::move(root), std::move(entry)));
}

}  // namespace proa::build
