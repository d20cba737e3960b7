#include "tools/run/commands/common.h"
#include "tools/run/commands/run_flags.h"

namespace proa::commands {
namespace {

struct Refused {
  const char* names;
  bool takes_value;
  const char* what_to_do;
};

constexpr const char* kBlockIo = "leave it out; limits of block devices come later";
constexpr const char* kAddress = "the container has the host's addresses behind pasta; publish ports with -p";
constexpr const char* kIds = "use --userns=keep-id, or leave it out";
constexpr const char* kPod = "pods come later; join a container's network with --network container:NAME";
constexpr const char* kLeaveOut = "leave it out";
constexpr const char* kWindows = "it is for Windows containers";

constexpr Refused kRefused[] = {
    {"blkio-weight-device", true, kBlockIo},
    {"device-read-bps", true, kBlockIo},
    {"device-read-iops", true, kBlockIo},
    {"device-write-bps", true, kBlockIo},
    {"device-write-iops", true, kBlockIo},
    {"cgroup-conf", true, kLeaveOut},
    {"cgroup-parent", true, "start proa in the wanted cgroup"},
    {"chrootdirs", true, kLeaveOut},
    {"conmon-pidfile", true, "use --pidfile"},
    {"cpu-count", true, kWindows},
    {"cpu-percent", true, kWindows},
    {"cpu-rt-period", true, kLeaveOut},
    {"cpu-rt-runtime", true, kLeaveOut},
    {"isolation", true, kWindows},
    {"io-maxbandwidth", true, kWindows},
    {"io-maxiops", true, kWindows},
    {"cert-dir", true, "put certificates into ~/.config/containers/certs.d"},
    {"creds", true, "log in first: `proa login`"},
    {"decryption-key", true, kLeaveOut},
    {"subuidname", true, kIds},
    {"subgidname", true, kIds},
    {"hostuser", true, kIds},
    {"group-entry", true, kLeaveOut},
    {"passwd-entry", true, kLeaveOut},
    {"gpus", true, "name the devices with --device"},
    {"hosts-file", true, "use --add-host"},
    {"init-ctr", true, kPod},
    {"ip", true, kAddress},
    {"ip6", true, kAddress},
    {"link-local-ip", true, kAddress},
    {"mac-address", true, kAddress},
    {"network-alias", true, kAddress},
    {"link", true, "join the other container's network: --network container:NAME"},
    {"kernel-memory", true, "kernels no longer have it; use --memory"},
    {"memory-swappiness", true, "cgroups v2 do not have it"},
    {"oom-kill-disable", false, "cgroups v2 do not have it; use --oom-score-adj"},
    {"personality", true, kLeaveOut},
    {"pod", true, kPod},
    {"pod-id-file", true, kPod},
    {"preserve-fd", true, kLeaveOut},
    {"rdt-class", true, kLeaveOut},
    {"rootfs", false, "import the folder first: `proa import`"},
    {"sdnotify", true, kLeaveOut},
    {"seccomp-policy", true, "use --security-opt seccomp=FILE"},
    {"shm-size-systemd", true, kLeaveOut},
    {"storage-opt", true, kLeaveOut},
    {"use-api-socket", false, "there is no daemon and no socket"},
};

}  // namespace

void add_refused_flags(RunBuilder& builder) {
  for (const auto& flag : kRefused) refuse(builder, flag.names, flag.takes_value, flag.what_to_do);
}

}  // namespace proa::commands
