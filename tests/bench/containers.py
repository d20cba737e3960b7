"""Benchmarks of containers: run, exec, the questions, the monitor's memory."""
import json
import os
import pathlib
import time

from compare import Contestant, have, interleave
from place import COPY, RUN, sh

UNIQUE = f"bench-{os.getpid()}"


def bundle(place):
    """A bundle for bare runtimes: what proa itself wrote for this container, with the root file system as a plain folder."""
    place.small_image()
    # It stays: the bundle mounts its files.
    sh(RUN, "create", "--name", f"bundle-{time.monotonic_ns()}", "--network", "none", "bench", "true")
    config = max((place.work / "data/containers").glob("*/bundle/config.json"), key=os.path.getmtime)
    spec = json.loads(config.read_text())
    spec["root"] = {"path": str(place.work / "rootfs"), "readonly": False}
    spec["process"]["terminal"] = False
    folder = place.work / "bundle"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(spec))
    return folder


def start(bench):
    """run --rm --network none true; crun runs the same bundle"""
    place = bench.place
    folder = bundle(place)
    contestants = [Contestant("proa", [RUN, "run", "--rm", "--network", "none", "bench", "true"])]
    if have("crun"):
        crun = ["crun", "--cgroup-manager", "disabled", "--root", str(place.work / "crun"), "run", "--bundle", str(folder), UNIQUE]
        contestants.append(Contestant("crun run, the same bundle", crun, goal=1.0))
    contestants.append(Contestant("proa-run oci run, the same bundle", [RUN, "oci", "--root", str(place.work / "oci"), "run", "--bundle", str(folder), UNIQUE]))
    flags = place.podman_run()
    if flags is not None:
        contestants.append(Contestant(" ".join(["podman", *flags]), [*place.podman(), "run", "--rm", "--network", "none", *flags, "bench", "true"], goal=1 / 12))
    bench.measure("run --rm --network none true", contestants)


def network(bench):
    """run --rm true with the user's network, against pasta alone and podman"""
    place = bench.place
    place.small_image()
    contestants = [Contestant("proa", [RUN, "run", "--rm", "bench", "true"]), Contestant("pasta alone", ["pasta", "--config-net", "true"])]
    podman = [*place.podman(), "run", "--rm", *(place.podman_run() or []), "bench", "true"]
    if have("podman") and place.peer_works(*podman):
        contestants.append(Contestant("podman, its default network", podman))
    samples = bench.measure("run --rm true, with network", contestants)
    if "proa" in samples and "pasta alone" in samples:
        over = (samples["proa"].median() - samples["pasta alone"].median()) * 1000
        bench.table.value("run --rm true, more than pasta alone", round(over, 1), "ms", goal=10)


def with_container(bench, use):
    """Runs `use` while the container `bench-q` sleeps in our store and in podman's."""
    place = bench.place
    place.small_image()
    words = ["run", "-d", "--name", "bench-q", "--network", "none"]
    program = ["bench", "sleep", "100000"]
    sh(RUN, *words, *program)
    flags = place.podman_run()
    try:
        if flags is not None:
            sh(*place.podman(), *words, *flags, *program)
        use(flags is not None)
    finally:
        sh(RUN, "rm", "-f", "-t", "0", "bench-q")
        if flags is not None:
            sh(*place.podman(), "rm", "-f", "-t", "0", "bench-q")


def question(*words, program=RUN, goal=None):
    def measure(bench):
        def use(podman):
            contestants = [Contestant("proa", [program, *words])]
            if podman:
                contestants.append(Contestant("podman", [*bench.place.podman(), *words], goal=goal))
            bench.measure(" ".join(words), contestants)

        with_container(bench, use)

    measure.__doc__ = f"{' '.join(words)}, against podman"
    return measure


def private_kib(process):
    """What the process alone keeps in memory. Clean pages are the file's: the kernel drops them at will, and all monitors share them."""
    rollup = dict(line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines()[1:])
    return int(rollup["Private_Dirty"].split()[0])


def monitor(bench):
    """private memory of a container's monitor, against conmon"""

    def use(_podman):
        found = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                name = pathlib.Path(words[0].decode(errors="replace")).name
                place = str(bench.place.work).encode()
                if name == "conmon" and place in b" ".join(words) or name == "proa-run" and place in (process / "environ").read_bytes():
                    found[name] = private_kib(process)
            except (OSError, KeyError, IndexError):
                continue
        if "proa-run" not in found:
            raise RuntimeError("the monitor was not found")
        bench.table.value("private memory of the monitor", found["proa-run"], "KiB", goal=256, against="conmon" if "conmon" in found else "", other=found.get("conmon"))

    with_container(bench, use)


def many_images(bench):
    """images with 500 images in the store, against podman"""
    import layouts

    place = bench.place
    archive = place.work / "many.tar"
    layouts.many_images_archive(archive, 500)
    ours, podman = str(place.work / "many"), place.podman("podman-many")
    sh(COPY, "--root", ours, "load", "-q", "-i", archive)
    contestants = [Contestant("proa", [COPY, "--root", ours, "images"])]
    if have("podman") and place.peer_works(*podman, "load", "-q", "-i", archive):
        contestants.append(Contestant("podman", [*podman, "images"]))
    bench.measure("images, with 500 images", contestants)
    place.wipe(ours, place.work / "podman-many")


BENCHMARKS = {
    "start": start,
    "network": network,
    "exec": question("exec", "bench-q", "true", goal=1 / 15),
    "ps": question("ps", goal=1 / 15),
    "inspect": question("inspect", "bench-q", goal=1 / 15),
    "images": question("images", program=COPY),
    "version": question("version"),
    "monitor": monitor,
}
