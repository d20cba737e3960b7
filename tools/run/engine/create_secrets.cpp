// Secrets of a container: copies, since the container outlives a change of the secret.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/store_file.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/secrets.h"

namespace proa::engine {

void write_secrets(const Containers& containers, const Container& container, const os::Path& final_path,
                   const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec) {
  const Secrets secrets(containers.paths());
  for (const auto& text : options.secret) {
    SecretNote note = parse_secret_option(text);
    const Secret secret = secrets.get(note.name);
    note.id = secret.id;
    const std::string data = secrets.data(secret);
    if (note.variable) {
      if (data.find('\0') != std::string::npos) {
        throw Error(ErrorCode::InvalidArgument, fmt::format("--secret={}: a variable holds no NUL bytes", text));
      }
      spec.env.push_back(note.target + "=" + data);
    } else {
      const std::string name = fmt::format("bundle/secret-{}", record.secrets.size());
      os::StoreFile::create(name, container.fd(), 0600).write(data);
      runtime::MountRequest mount;
      mount.source = os::join(final_path, name);
      mount.target = note.target;
      mount.read_only = true;
      spec.mounts.push_back(std::move(mount));
    }
    record.secrets.push_back(std::move(note));
  }
}

}  // namespace proa::engine
