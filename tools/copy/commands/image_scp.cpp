// image scp: an image to or from another machine, by ssh and the archives that both sides understand. Neither side
// needs anything that runs in the background.
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct ScpOptions {
  std::vector<std::string> places;
  bool quiet = false;
};

struct Place {
  std::string host;  // empty: here
  std::string port;
  std::string image;
};

// "[[user@]host[:port]::]image"
Place parse_place(const std::string& text) {
  const auto parts = cut(text, "::");
  if (!parts) return {.host = {}, .port = {}, .image = text};
  Place place{.host = std::string(parts->first), .port = {}, .image = std::string(parts->second)};
  if (const auto port = cut_last(place.host, ":"); port && parse_integer<std::uint16_t>(port->second)) {
    place.port = std::string(port->second);
    place.host = std::string(port->first);
  }
  // What ssh would take for an option.
  if (place.host.empty() || place.host.starts_with('-'))
    throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" names no host", escape_control(text)));
  return place;
}

// For the shell at the other end.
std::string quoted(const std::string& text) { return "'" + replace_all(text, "'", "'\\''") + "'"; }

// Whichever of the two is there.
std::string remote_command(const std::string& words) {
  return fmt::format("if command -v proa >/dev/null 2>&1; then exec proa {0}; else exec podman {0}; fi", words);
}

os::SpawnPlan ssh(const Place& place, const std::string& command) {
  os::SpawnPlan plan;
  plan.program = "ssh";
  if (!place.port.empty()) plan.arguments = {"-p", place.port};
  plan.arguments.insert(plan.arguments.end(), {"--", place.host, command});
  return plan;
}

os::SpawnPlan own(std::vector<std::string> arguments) {
  os::SpawnPlan plan;
  plan.program = os::read_link("/proc/self/exe");
  plan.arguments = std::move(arguments);
  return plan;
}

void pipe_through(os::SpawnPlan writer, os::SpawnPlan reader) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error("pipe");
  os::UniqueFd from(ends[0]), to(ends[1]);
  writer.descriptors.emplace_back(to.get(), STDOUT_FILENO);
  reader.descriptors.emplace_back(from.get(), STDIN_FILENO);
  auto source = os::spawn(writer);
  auto sink = os::spawn(reader);
  to = os::UniqueFd();
  from = os::UniqueFd();
  const auto written = source.wait();
  const auto read = sink.wait();
  if (!written.success()) throw Error(ErrorCode::Unavailable, fmt::format("`{}` {}", writer.program, written.text()));
  if (!read.success()) throw Error(ErrorCode::Unavailable, fmt::format("`{}` {}", reader.program, read.text()));
}

cli::ExitCode scp(cli::Context&, const ScpOptions& options) {
  const auto from = parse_place(options.places[0]);
  const auto to = options.places.size() == 2 ? parse_place(options.places[1]) : Place{};
  if (from.image.empty()) throw Error(ErrorCode::InvalidArgument, "no image was named");
  if (!to.image.empty())
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: an image keeps its name", escape_control(options.places[1])),
                "name the host only: HOST::");
  if (from.host.empty() && to.host.empty())
    throw Error(ErrorCode::InvalidArgument, "one of the two has to be on another machine",
                "write HOST::IMAGE or HOST::");
  const While copying{[&] { return fmt::format("copying {}", from.image); }};
  const std::string quiet = options.quiet ? "-q " : "";
  if (from.host.empty()) {
    LocalStore(LocalStore::Access::Read).get(from.image);
    pipe_through(own({"save", "-q", from.image}), ssh(to, remote_command("load " + quiet)));
  } else if (to.host.empty()) {
    auto load = own({"load"});
    if (options.quiet) load.arguments.emplace_back("-q");
    pipe_through(ssh(from, remote_command("save -q " + quoted(from.image))), std::move(load));
  } else {
    pipe_through(ssh(from, remote_command("save -q " + quoted(from.image))), ssh(to, remote_command("load " + quiet)));
  }
  return 0;
}

}  // namespace

cli::Command image_scp_command() {
  return cli::command<ScpOptions>("scp", "Copy an image to or from another machine, by ssh")
      .flag("quiet,q", &ScpOptions::quiet, "Show no progress")
      .positionals("[HOST::]IMAGE [HOST::]", &ScpOptions::places, 1, 2, cli::Complete::Image)
      .runs(scp);
}

}  // namespace proa::copy
