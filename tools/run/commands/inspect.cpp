#include <errno.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/file.h"
#include "libcommon/store/store.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/inspect_json.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/volumes.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;

struct InspectOptions {
  std::vector<std::string> names;
  std::string format, type;
  bool latest = false, size = false;
};

// Images are the other program's; it takes over with the same words.
[[noreturn]] void inspect_images(const InspectOptions& options) {
  const std::string program = engine::sibling_program("proa-copy");
  std::vector<std::string> words{program, "image", "inspect"};
  if (!options.format.empty()) words.push_back("--format=" + options.format);
  words.emplace_back("--");
  words.insert(words.end(), options.names.begin(), options.names.end());
  exec_program(program, std::move(words));
}

// Networks have their own verb in this program.
[[noreturn]] void inspect_by_group(const InspectOptions& options, const std::string& group) {
  const std::string program = engine::sibling_program("proa-run");
  std::vector<std::string> words{program, group, "inspect"};
  if (!options.format.empty()) words.push_back("--format=" + options.format);
  words.emplace_back("--");
  words.insert(words.end(), options.names.begin(), options.names.end());
  exec_program(program, std::move(words));
}

// Without --type: a container, else an image, a volume or a network.
// Returns when nothing has this name.
void inspect_other(const engine::Containers& containers, const InspectOptions& options) {
  const std::string& name = options.names.front();
  const auto store = store::Store::try_open(containers.paths().data);
  bool image = false;
  try {
    image = store && store->find(name).has_value();
  } catch (const Error&) {
    // No image can be called so.
  }
  const engine::Volumes volumes(containers.paths());
  if (!image && os::exists(os::join(containers.paths().data, "volumes/" + name)) && volumes.find(name)) {
    inspect_by_group(options, "volume");
  }
  if (image) inspect_images(options);
}

int inspect(cli::Context&, const InspectOptions& options) {
  if (options.type == "image") inspect_images(options);
  if (options.type == "volume" || options.type == "network" || options.type == "secret") {
    inspect_by_group(options, options.type);
  }
  if (!options.type.empty() && options.type != "container" && options.type != "all") {
    throw Error(ErrorCode::Unsupported, fmt::format("--type={} is not supported", options.type),
                "use container, image, network, secret or volume");
  }
  const auto containers = open_containers();
  Json objects = Json::array();
  int result = 0;
  std::vector<std::string> names = options.names;
  if (options.latest) names.insert(names.begin(), get_latest(containers).id());
  if (names.empty()) throw Error(ErrorCode::InvalidArgument, "nothing named");
  for (const auto& name : names) {
    if (const auto container = containers.find(name)) {
      objects.push_back(container_json(containers, *container, options.size));
      continue;
    }
    const bool other = options.type.empty() || options.type == "all";
    if (other && objects.empty() && result == 0) inspect_other(containers, options);
    cli::report(Error(ErrorCode::NotFound, fmt::format("no such {}: {}", other ? "object" : "container", name)));
    result = 125;
  }
  if (!objects.empty() || options.format.empty()) print(cli::format_inspect(options.format, objects));
  if (options.format.empty() || options.format == "json") print("\n");
  return result;
}

void add_inspect_flags(cli::CommandBuilder<InspectOptions>& b) {
  b.value("format,f", &InspectOptions::format, "json, or a Go template", "FORMAT")
      .flag("latest,l", &InspectOptions::latest, "The container made last")
      .flag("size,s", &InspectOptions::size, "With the sizes of its files")
      .positionals("[NAME...]", &InspectOptions::names, 0, cli::kAnyNumber, cli::Complete::Container);
}

}  // namespace

cli::Command container_inspect_command() {
  return cli::command<InspectOptions>("inspect", "Show containers as JSON")
      .with(add_inspect_flags)
      .runs([](cli::Context& context, InspectOptions options) {
        options.type = "container";
        return inspect(context, options);
      });
}

cli::Command inspect_command() {
  return cli::command<InspectOptions>("inspect", "Show containers or images as JSON")
      .with(add_inspect_flags)
      .value("type,t", &InspectOptions::type, "container, image, network, secret or volume", "TYPE")
      .runs(inspect);
}

}  // namespace proa::commands
