// manifest create, add, annotate, exists, inspect, remove, rm: lists of images before they are pushed.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/manifest/list_edit.h"
#include "tools/copy/refused.h"
#include "tools/copy/registry_flags.h"

namespace proa::copy {

namespace {

struct ManifestOptions {
  std::vector<std::string> names;
  transport::RegistryOptions registry;
  EntryChanges changes;
  bool all = false, amend = false, ignore = false, of_index = false;
  std::string subject;
};

[[noreturn]] void list_not_known(const oci::Reference& name) {
  throw Error(ErrorCode::NotFound, fmt::format("{}: image not known", name.familiar()),
              "`proa manifest create` makes a list");
}

store::ImageList get_list(LocalStore& local, const oci::Reference& name) {
  const auto* store = local.if_present();
  auto list = store == nullptr ? std::nullopt : store::find_list(*store, name);
  if (!list) list_not_known(name);
  return std::move(*list);
}

// Changes a list that is there, and prints its id as podman does.
void change_list(LocalStore& local, const oci::Reference& name, const std::function<void(store::ImageList&)>& change) {
  store::edit_list(local.store(), name, [&](std::optional<store::ImageList> present) {
    if (!present) list_not_known(name);
    change(*present);
    return std::move(*present);
  });
  fmt::print("{}\n", io::digest_of(name.str()).hex());
}

oci::Platform wanted_platform(const EntryChanges& changes) {
  auto platform = oci::Platform::host();
  if (!changes.os.empty()) platform.os = changes.os;
  if (!changes.arch.empty()) platform.architecture = changes.arch;
  if (!changes.arch.empty() || !changes.variant.empty()) platform.variant = changes.variant;
  return oci::normalize(platform);
}

cli::ExitCode create(cli::Context&, const ManifestOptions& options) {
  const auto name = list_name(options.names.front());
  const While creating{[&] { return fmt::format("creating the list {}", name.familiar()); }};
  LocalStore local(LocalStore::Access::Names);
  ListEntries entries;
  for (auto image = options.names.begin() + 1; image != options.names.end(); ++image) {
    auto more = entries_of(local, *image, options.registry, options.all, oci::Platform::host());
    std::move(more.entries.begin(), more.entries.end(), std::back_inserter(entries.entries));
    std::move(more.sources.begin(), more.sources.end(), std::back_inserter(entries.sources));
  }
  if (const auto image = local.store().find(name.str())) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("image name \"{}\" is already associated with image \"{}\": that name is already in use",
                            name.str(), image->id.hex()));
  }
  store::edit_list(local.store(), name, [&](std::optional<store::ImageList> present) {
    if (present && !options.amend) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("image name \"{}\" is already associated with image \"{}\": that name is already in use",
                              name.str(), present->id().hex()),
                  "add --amend to change it");
    }
    auto list = present ? std::move(*present) : store::new_list(name);
    add_entries(list, entries);
    add_annotations(list.index.annotations, options.changes.annotations);
    return list;
  });
  fmt::print("{}\n", io::digest_of(name.str()).hex());
  return 0;
}

cli::ExitCode add(cli::Context&, const ManifestOptions& options) {
  const auto name = list_name(options.names[0]);
  LocalStore local(LocalStore::Access::Names);
  get_list(local, name);
  auto entries = entries_of(local, options.names[1], options.registry, options.all, wanted_platform(options.changes));
  for (auto& entry : entries.entries) change_entry(entry, options.changes);
  change_list(local, name, [&](store::ImageList& list) { add_entries(list, entries); });
  return 0;
}

// By digest, or by the name it was added under.
oci::Descriptor& find_entry(store::ImageList& list, const std::string& text) {
  const auto digest = oci::Digest::try_parse(text);
  for (auto& entry : list.index.manifests) {
    const auto source = list.sources.find(entry.digest);
    const bool named = source != list.sources.end() && source->second.ends_with(text);
    if (digest ? entry.digest == *digest : named) return entry;
  }
  throw Error(ErrorCode::NotFound, fmt::format("{} is not in the list {}", escape_control(text), list.name.familiar()),
              "`proa manifest inspect` shows the digests in it");
}

cli::ExitCode annotate(cli::Context&, const ManifestOptions& options) {
  const auto name = list_name(options.names[0]);
  if (options.of_index != (options.names.size() == 1)) {
    throw Error(ErrorCode::InvalidArgument, options.of_index ? "--index is about the list itself: name no image of it"
                                                             : "which image of the list is to be changed?");
  }
  LocalStore local(LocalStore::Access::Names);
  change_list(local, name, [&](store::ImageList& list) {
    if (options.of_index) {
      add_annotations(list.index.annotations, options.changes.annotations);
    } else {
      change_entry(find_entry(list, options.names[1]), options.changes);
    }
  });
  return 0;
}

cli::ExitCode remove_entry(cli::Context&, const ManifestOptions& options) {
  LocalStore local(LocalStore::Access::Names);
  change_list(local, list_name(options.names[0]), [&](store::ImageList& list) {
    const auto digest = find_entry(list, options.names[1]).digest;
    std::erase_if(list.index.manifests, [&](const oci::Descriptor& entry) { return entry.digest == digest; });
    list.sources.erase(digest);
  });
  return 0;
}

cli::ExitCode remove_lists(cli::Context&, const ManifestOptions& options) {
  LocalStore local(LocalStore::Access::Names);
  cli::ExitCode code = 0;
  for (const auto& text : options.names) {
    const auto name = list_name(text);
    if (store::remove_list(local.store(), name)) {
      fmt::print("Untagged: {}\nDeleted: {}\n", name.str(), io::digest_of(name.str()).hex());
    } else if (!options.ignore) {
      cli::report(Error(ErrorCode::NotFound, fmt::format("{}: image not known", escape_control(text))));
      code = 1;
    }
  }
  return code;
}

cli::ExitCode exists(cli::Context&, const ManifestOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  const auto* store = local.if_present();
  return store != nullptr && store::find_list(*store, list_name(options.names.front())) ? 0 : 1;
}

// A list of ours; else what a registry or another place has under the name.
std::string manifest_text(LocalStore& local, const std::string& text, const transport::RegistryOptions& registry) {
  if (!transport::ImageName::has_transport(text)) {
    const auto* store = local.if_present();
    const auto list = store == nullptr ? std::nullopt : store::find_list(*store, list_name(text));
    if (list) return list->index.raw;
  }
  const auto name = transport::ImageName::has_transport(text) ? transport::ImageName::parse(text)
                                                              : transport::ImageName::parse("docker://" + text);
  return transport::open_source(name, local.open_options(registry))->manifest(std::nullopt, {}).bytes;
}

cli::ExitCode inspect(cli::Context&, const ManifestOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  const auto json = read_ordered_json(manifest_text(local, options.names.front(), options.registry));
  fmt::print("{}\n", json_text(json, 4));
  return 0;
}

using Builder = cli::CommandBuilder<ManifestOptions>;

void insecure_flag(Builder& builder) {
  builder
      .custom(
          "insecure",
          [](ManifestOptions& options, const std::string& text) {
            if (cli::parse_bool(text)) options.registry.tls_verify = false;
          },
          "Allow registries without (verified) TLS", "")
      .hide_last();
}

void entry_flags(Builder& builder) {
  const auto add = [&](const char* name, auto setter, const char* help, const char* placeholder) {
    builder.custom(
        name, [setter](ManifestOptions& options, const std::string& text) { setter(options.changes, text); }, help,
        placeholder);
  };
  using Changes = EntryChanges;
  add(
      "annotation", [](Changes& c, const std::string& t) { c.annotations.push_back(t); }, "Annotation of the entry",
      "KEY=VALUE");
  add(
      "arch", [](Changes& c, const std::string& t) { c.arch = t; }, "Architecture of the image", "ARCH");
  add(
      "os", [](Changes& c, const std::string& t) { c.os = t; }, "Operating system of the image", "OS");
  add(
      "os-version", [](Changes& c, const std::string& t) { c.os_version = t; }, "Version of the operating system",
      "VERSION");
  add(
      "os-features",
      [](Changes& c, const std::string& t) {
        for (auto& part : split(t, ',')) c.os_features.push_back(part);
      },
      "Features of the operating system that the image needs", "FEATURES");
  add(
      "variant", [](Changes& c, const std::string& t) { c.variant = t; }, "Variant of the architecture", "VARIANT");
}

void refused_entry_flags(Builder& builder) {
  refuse_flag(builder, "features", true, "it is reserved in the image specification, and nothing reads it");
  for (const char* name :
       {"artifact-config", "artifact-config-type", "artifact-layer-type", "artifact-subject", "artifact-type"}) {
    refuse_flag(builder, name, true, "lists hold images; add an artifact that is in a registry by its name");
  }
  for (const char* name : {"artifact", "artifact-exclude-titles"})
    refuse_flag(builder, name, false, "lists hold images; add an artifact that is in a registry by its name");
}

cli::Command create_command() {
  return cli::command<ManifestOptions>("create", "Make a list of images")
      .flag("all", &ManifestOptions::all, "Of an index add all images")
      .flag("amend,a", &ManifestOptions::amend, "Change the list when there is one already")
      .custom(
          "annotation",
          [](ManifestOptions& options, const std::string& text) { options.changes.annotations.push_back(text); },
          "Annotation of the list", "KEY=VALUE")
      .with(insecure_flag)
      .with([](Builder& b) { registry_flags(b, &ManifestOptions::registry); })
      .positionals("LIST [IMAGE...]", &ManifestOptions::names, 1, cli::kAnyNumber)
      .runs(create);
}

cli::Command add_command() {
  return cli::command<ManifestOptions>("add", "Add an image to a list")
      .flag("all", &ManifestOptions::all, "Of an index add all images")
      .with(entry_flags)
      .with(refused_entry_flags)
      .with(insecure_flag)
      .with([](Builder& b) { registry_flags(b, &ManifestOptions::registry); })
      .positionals("LIST IMAGE", &ManifestOptions::names, 2, 2, cli::Complete::Image)
      .runs(add);
}

cli::Command annotate_command() {
  return cli::command<ManifestOptions>("annotate", "Change what a list says about an image")
      .flag("index", &ManifestOptions::of_index, "Annotate the list itself")
      .with(entry_flags)
      .with([](Builder& b) {
        refuse_flag(b, "features", true, "it is reserved in the image specification, and nothing reads it");
        refuse_flag(b, "subject", true, "lists have no subject here");
      })
      .positionals("LIST [DIGEST]", &ManifestOptions::names, 1, 2)
      .runs(annotate);
}

cli::Command inspect_list_command() {
  return cli::command<ManifestOptions>("inspect", "Show a list, or what a registry has under a name")
      .with([](Builder& b) {
        refuse_flag(b, "verbose,v", false, "`proa-copy inspect --raw docker://NAME@DIGEST` shows one image of a list");
      })
      .with(insecure_flag)
      .with([](Builder& b) { registry_flags(b, &ManifestOptions::registry); })
      .positionals("LIST", &ManifestOptions::names, 1, 1)
      .runs(inspect);
}

}  // namespace

cli::Command manifest_group() {
  return cli::group("manifest", "Put images of several platforms under one name",
                    {add_command(), annotate_command(), create_command(),
                     cli::command<ManifestOptions>("exists", "Tell by the exit code whether there is a list")
                         .positionals("LIST", &ManifestOptions::names, 1, 1)
                         .runs(exists),
                     inspect_list_command(), manifest_push_command(),
                     cli::command<ManifestOptions>("remove", "Take an image out of a list")
                         .positionals("LIST DIGEST", &ManifestOptions::names, 2, 2)
                         .runs(remove_entry),
                     cli::command<ManifestOptions>("rm", "Delete lists; the images stay")
                         .flag("ignore,i", &ManifestOptions::ignore, "Lists that do not exist are no failure")
                         .positionals("LIST [LIST...]", &ManifestOptions::names, 1, cli::kAnyNumber)
                         .runs(remove_lists)});
}

}  // namespace proa::copy
