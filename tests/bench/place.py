"""Where benchmarks happen: a folder of their own with stores, a home and a registry, all removed at the end."""
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import layouts
from compare import have, progress

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PROA_BENCH_BIN", ROOT / "build/release/bin"))
RUN, COPY, BUILD = (str(BIN / name) for name in ("proa-run", "proa-copy", "proa-build"))


def sh(*argv, **options):
    """Preparation: its output; a failure raises with what it said."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"{' '.join(map(str, argv[:6]))} ended with {done.returncode}: {said[0]}")
    return done.stdout


class Place:
    def __init__(self, images=None, keep=False):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="proa-bench."))
        self.images = pathlib.Path(images) if images else self.work / "images"
        self.keep = keep
        self.registry = self.address = None
        self.peers_work = {}
        for folder in ("data", "run", "home", "xdg", "tmp"):
            (self.work / folder).mkdir(mode=0o700)
        # Nobody reads or writes the settings of whoever measures.
        os.environ.update(HOME=str(self.work / "home"), XDG_RUNTIME_DIR=str(self.work / "xdg"), TMPDIR=str(self.work / "tmp"), PROA_ROOT=str(self.work / "data"), PROA_RUNROOT=str(self.work / "run"))
        self.write_containers_conf()
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)

    def write_containers_conf(self):
        """podman and buildah without what this machine may lack (systemd, a journal, the right to raise limits). None of it makes them slower."""
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        processes = 16384  # podman lowers its own to 32768
        lines = ["[containers]", f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]', "[engine]", 'events_logger = "none"']
        if not pathlib.Path("/run/systemd/system").exists():
            lines.append('cgroup_manager = "cgroupfs"')
        config = self.work / "containers.conf"
        config.write_text("\n".join(lines) + "\n")
        os.environ["CONTAINERS_CONF"] = str(config)

    def podman(self, name="podman", program="podman"):
        """podman's (or buildah's) command line with a store of its own."""
        return [program, "--root", str(self.work / name), "--runroot", str(self.work / f"{name}-run")]

    def peer_works(self, *argv):
        """Whether a peer can do at all what it is to be measured at; tried once."""
        key = tuple(map(str, argv))
        if key not in self.peers_work:
            try:
                sh(*argv)
                self.peers_work[key] = True
            except (RuntimeError, OSError) as error:
                progress(f"    left out: {error}")
                self.peers_work[key] = False
        return self.peers_work[key]

    def podman_run(self):
        """podman's flags for `run` here, or None where it cannot run at all. crun wants rights for cgroups that root may lack in a sandbox; without cgroups podman
        has less to do, not more."""
        self.small_image()
        for flags in ([], ["--cgroups=disabled"]):
            if have("podman") and self.peer_works(*self.podman(), "run", "--rm", "--network", "none", *flags, "bench", "true"):
                return flags
        return None

    def wipe(self, *folders):
        """Removes stores, whoever their files belong to, and lets the disk come to rest, so that nobody pays for others' writes."""
        for folder in folders:
            if os.path.lexists(folder):
                shutil.rmtree(folder, ignore_errors=True)
            if os.path.lexists(folder):
                subprocess.run([RUN, "unshare", "rm", "-rf", str(folder)], check=False, capture_output=True)
            if os.path.lexists(folder) and os.getuid() != 0 and have("podman"):
                subprocess.run(["podman", "unshare", "rm", "-rf", str(folder)], check=False, capture_output=True)
        os.sync()

    def close(self):
        if self.registry:
            self.registry.terminate()
            self.registry.wait()
        pause = self.work / "xdg/libpod/tmp/pause.pid"  # podman leaves a process for its user namespace
        if pause.exists():
            try:
                os.kill(int(pause.read_text()), signal.SIGKILL)
            except (ValueError, OSError):
                pass
        if self.keep:
            progress(f"kept: {self.work}")
            return
        for name in ("podman", "podman-run"):
            for mount in reversed(self.mounts_below(self.work / name)):
                subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        for _ in range(5):  # podman's last helpers may still be writing
            self.wipe(self.work)
            if not self.work.exists():
                break
            time.sleep(0.3)

    @staticmethod
    def mounts_below(folder):
        lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
        return [line.split()[1] for line in lines if line.split()[1].startswith(str(folder))]

    # Images

    def small_image(self):
        """A busybox image under the name bench: in our store and in podman's."""
        tree = self.work / "rootfs"
        if tree.exists():
            return
        for folder in ("bin", "etc", "proc", "dev", "sys", "tmp"):
            (tree / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        for applet in ("sh", "true", "sleep", "cat"):
            (tree / "bin" / applet).symlink_to("busybox")
        (tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        tar = self.work / "image.tar"
        sh("tar", "--owner=0", "--group=0", "-C", tree, "-cf", tar, ".")
        sh(COPY, "import", tar, "bench")
        if have("podman"):
            self.peer_works(*self.podman(), "import", tar, "bench")

    def layout(self, name, fills):
        """An image of this name as OCI layout, made on first use (and kept where --images says)."""
        folder = self.images / name
        if not (folder / "index.json").exists():
            progress(f"    making the image {name} ...")
            shutil.rmtree(folder, ignore_errors=True)
            layouts.write_layout(folder, fills())
        return folder

    def start_registry(self):
        if self.registry:
            return self.address
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = self.work / "registry.yml"
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.work}/registry}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
        self.access_log = self.work / "registry.log"
        with open(self.access_log, "wb") as log:
            self.registry = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError("docker-registry does not start: " + self.access_log.read_text()[-300:])
        self.address = f"127.0.0.1:{port}"
        return self.address

    def requests(self, *argv):
        """How many requests a command makes, by the registry's own log."""
        before = self.access_log.stat().st_size
        sh(*argv)
        time.sleep(0.2)
        with open(self.access_log, "rb") as log:
            log.seek(before)
            return sum(b'"GET /v2' in line or b'"HEAD /v2' in line or b'"POST /v2' in line or b'"PUT /v2' in line or b'"PATCH /v2' in line for line in log)

    def in_registry(self, layout, name):
        """The layout's image in the registry; its reference."""
        reference = f"{self.start_registry()}/bench/{name}"
        sh(COPY, "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:latest", f"docker://{reference}:latest")
        return f"{reference}:latest"
