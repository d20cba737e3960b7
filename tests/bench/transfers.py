"""Benchmarks of images on the move: pull and its floor, copies, save and load, push again, pull again."""
import json
import re
import shlex
import statistics
import subprocess
import time

import layouts
from compare import Contestant, have, interleave, progress
from containers import many_images
from place import COPY, sh

PLAIN = "--tls-verify=false"


def layers_of(layout):
    index = json.loads((layout / "index.json").read_text())
    blob = lambda digest: layout / "blobs/sha256" / digest.removeprefix("sha256:")
    return [layer["digest"] for layer in json.loads(blob(index["manifests"][0]["digest"]).read_text())["layers"]]


def floor_commands(place, reference, layout):
    """What standard tools need for the same bytes: download, hash, inflate, hash again, write the files with one plain tar for each layer.
    Returns (everything overlapped, one layer after the other; the same with two layers at a time)."""
    address, name = reference.rsplit(":", 1)[0].split("/", 1)
    target = place.work / "floor"
    unzip = "igzip -dc" if have("igzip") else "gzip -dc"
    one = (f"mkdir -p {target}/$1 && curl -sf http://{address}/v2/{name}/blobs/$2 | tee >(sha256sum >/dev/null) | {unzip} | tee >(sha256sum >/dev/null)"
           f" | tar -xf - -C {target}/$1 --no-same-owner --delay-directory-restore")
    script = place.work / "floor.sh"
    script.write_text(f"#!/bin/bash\nset -o pipefail\n{one}\n")
    script.chmod(0o755)
    digests = layers_of(layout)
    arguments = " ".join(f"{number} {digest}" for number, digest in enumerate(digests))
    by = lambda jobs: ["sh", "-c", f"echo {arguments} | xargs -n 2 -P {jobs} {shlex.quote(str(script))}"]
    return target, by(1), by(2)


def floor_parts(place, layout, target):
    """Each part of the work alone, one after the other: {part: seconds}."""
    blobs = " ".join(str(layout / "blobs/sha256" / digest.removeprefix("sha256:")) for digest in layers_of(layout))
    plain = place.work / "plain"
    plain.mkdir(exist_ok=True)
    for number, blob in enumerate(blobs.split()):
        sh("sh", "-c", f"gzip -dc {blob} > {plain}/{number}")
    scripts = {
        "inflate (gzip)": f"for b in {blobs}; do gzip -dc $b >/dev/null; done",
        "hash": f"cat {blobs} | sha256sum >/dev/null; cat {plain}/* | sha256sum >/dev/null",
        "write (tar)": f"for t in {plain}/*; do mkdir -p {target}/${{t##*/}}; tar -xf $t -C {target}/${{t##*/}} --no-same-owner --delay-directory-restore; done",
    }
    contestants = [Contestant(part, ["sh", "-c", script], before=lambda: place.wipe(target)) for part, script in scripts.items()]
    samples = interleave(contestants, 3, 60)
    place.wipe(plain, target)
    return {part: sample.median() for part, sample in samples.items()}


def pull_image(bench, layout, what, podman_goal):
    place = bench.place
    reference = place.in_registry(layout, layout.name)
    fresh, unpacked = place.work / "fresh", place.work / "unpacked"
    pull = [COPY, "--root", str(fresh), "pull", "-q", PLAIN, reference]
    contestants = [Contestant("proa", pull, before=lambda: place.wipe(fresh))]
    if have("podman"):
        podman = [*place.podman("podman-fresh"), "pull", "-q", PLAIN, reference]
        contestants.append(Contestant("podman", podman, before=lambda: place.wipe(place.work / "podman-fresh"), goal=podman_goal))
    if have("skopeo") and have("umoci"):
        script = f"skopeo copy -q --src-tls-verify=false docker://{reference} oci:{unpacked}:big && umoci unpack --rootless --image {unpacked}:big {unpacked}-bundle"
        contestants.append(Contestant("skopeo to oci, umoci unpack", ["sh", "-c", script], before=lambda: place.wipe(unpacked, f"{unpacked}-bundle")))
    if have("curl"):
        target, one, two = floor_commands(place, reference, layout)
        contestants.append(Contestant("floor: curl, gzip, sha256sum, tar in a pipe", one, before=lambda: place.wipe(target), goal=1.3))
        contestants.append(Contestant("floor, two layers at a time", two, before=lambda: place.wipe(target), goal=1.3))
    samples = bench.measure(f"pull of {what}", contestants, slow=True)
    if "proa" in samples:
        bench.table.value(f"peak memory of the pull of {what}", round(samples["proa"].peak_mib(), 1), "MiB", goal=64,
                          against="podman" if "podman" in samples else "", other=round(samples["podman"].peak_mib(), 1) if "podman" in samples else None)
    durability(bench, what, pull, lambda: place.wipe(fresh))
    place.wipe(fresh, unpacked, f"{unpacked}-bundle", place.work / "podman-fresh", place.work / "floor")


def durability(bench, what, pull, before):
    """How much of a pull passes while it waits for the disk (syncfs, fsync)."""
    if not have("strace"):
        return
    shares = []
    log = bench.place.work / "syncs"
    for _ in range(3):
        before()
        start = time.perf_counter()
        sh("strace", "-f", "--seccomp-bpf", "-e", "trace=syncfs,fsync,fdatasync", "-T", "-o", log, *pull)
        whole = time.perf_counter() - start
        waited = sum(float(word) for word in re.findall(r"sync(?:fs)?\(.*<([\d.]+)>$", log.read_text(), re.M))
        shares.append(waited / whole * 100)
    bench.table.value(f"share of the pull of {what} that waits for the disk", round(statistics.median(shares), 1), "%", goal=10)


def pull(bench):
    """pull of a 300 MB image of six layers into a fresh store, against podman, skopeo + umoci, and the floor"""
    layout = bench.place.layout("real-files", layouts.real_files)
    size = sum(blob.stat().st_size for blob in (layout / "blobs/sha256").iterdir())
    pull_image(bench, layout, f"{len(layers_of(layout))} layers, {size / 1e6:.0f} MB", 1 / 3)


def pull_small(bench):
    """the same with an image of 69 000 small files in three layers"""
    pull_image(bench, bench.place.layout("small-files", layouts.small_files), "69 000 small files", 1 / 4)


def pull_given(bench):
    """the same with the image of --layout"""
    for layout in bench.layouts:
        pull_image(bench, layout, layout.name, 1 / 4 if "many" in layout.name else 1 / 3)


def parts(bench):
    """the parts of a pull's floor, each alone"""
    for layout in bench.layouts or [bench.place.layout("real-files", layouts.real_files)]:
        for part, seconds in floor_parts(bench.place, layout, bench.place.work / "floor").items():
            bench.table.value(f"floor of {layout.name}: {part}", round(seconds, 2), "s")


def pull_again(bench):
    """pull of an image that is there already: time and requests"""
    place = bench.place
    reference = place.in_registry(place.layout("real-files", layouts.real_files), "again")
    words = ["pull", "-q", PLAIN, reference]
    sh(COPY, *words)
    contestants = [Contestant("proa", [COPY, *words])]
    if have("podman") and place.peer_works(*place.podman(), *words):
        contestants.append(Contestant("podman", [*place.podman(), *words]))
    samples = bench.measure("pull of a present image", contestants)
    if "proa" in samples:
        bench.table.value("pull of a present image: time", round(samples["proa"].median() * 1000, 1), "ms", goal=30)
    bench.table.value("pull of a present image: requests", place.requests(COPY, *words), "requests", goal=2)


def copies(bench):
    """registry to registry, registry to oci, oci to registry, save and load, against skopeo and podman"""
    place = bench.place
    layout = bench.layouts[0] if bench.layouts else place.layout("real-files", layouts.real_files)
    reference = place.in_registry(layout, "copy")
    address = place.address
    blobs = place.work / "registry/docker/registry/v2"
    out, archive = place.work / "out", place.work / "archive.tar"
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]

    def forget():  # what an earlier copy left in the registry: it would be mounted or skipped
        place.wipe(out, archive, blobs / "repositories/bench/copied")
        for digest in layers_of(layout):
            if not (blobs / "repositories/bench/copy/_layers/sha256" / digest.removeprefix("sha256:")).exists():
                raise RuntimeError("the registry's folders are not as expected")

    ways = {
        "registry to registry": ([f"docker://{reference}"], f"docker://{address}/bench/copied:latest"),
        "registry to oci": ([f"docker://{reference}"], f"oci:{out}:latest"),
        "oci to registry": ([f"oci:{layout}:latest"], f"docker://{address}/bench/copied:latest"),
        "oci to docker-archive": ([f"oci:{layout}:latest"], f"docker-archive:{archive}:bench/saved:latest"),
    }
    for way, (source, target) in ways.items():
        contestants = [Contestant("proa", [COPY, "copy", "-q", *plain, *source, target], before=forget)]
        if have("skopeo"):
            contestants.append(Contestant("skopeo", ["skopeo", "copy", "-q", *plain, *source, target], before=forget, goal=0.75))
        bench.measure(f"copy {way}", contestants, slow=True)
    place.wipe(out, archive)
    save_and_load(bench, reference)


def save_and_load(bench, reference):
    place = bench.place
    archive, loaded = place.work / "saved.tar", place.work / "loaded"
    sh(COPY, "pull", "-q", PLAIN, reference)
    podman = have("podman") and place.peer_works(*place.podman(), "pull", "-q", PLAIN, reference)
    words = ["save", "-q", "-o", str(archive), reference]
    contestants = [Contestant("proa", [COPY, *words], before=lambda: place.wipe(archive))]
    if podman:
        contestants.append(Contestant("podman", [*place.podman(), *words], before=lambda: place.wipe(archive), goal=0.75))
    bench.measure("save", contestants, slow=True)
    sh(COPY, "save", "-q", "-o", f"{archive}.again", reference)
    words = ["load", "-q", "-i", f"{archive}.again"]
    contestants = [Contestant("proa", [COPY, "--root", str(loaded), *words], before=lambda: place.wipe(loaded))]
    if podman:
        contestants.append(Contestant("podman", [*place.podman("podman-loaded"), *words], before=lambda: place.wipe(place.work / "podman-loaded"), goal=0.75))
    bench.measure("load", contestants, slow=True)
    place.wipe(archive, f"{archive}.again", loaded, place.work / "podman-loaded")


def push_again(bench):
    """push of an unchanged image: time and requests"""
    place = bench.place
    reference = place.in_registry(place.layout("real-files", layouts.real_files), "pushed")
    sh(COPY, "pull", "-q", PLAIN, reference)
    words = ["push", "-q", PLAIN, reference]
    contestants = [Contestant("proa", [COPY, *words])]
    podman = place.podman()
    if have("podman") and place.peer_works(*podman, "pull", "-q", PLAIN, reference):
        contestants.append(Contestant("podman", [*podman, *words]))
    bench.measure("push of an unchanged image", contestants)
    other = place.requests(*podman, *words) if len(contestants) > 1 else None
    bench.table.value("push of an unchanged image: requests", place.requests(COPY, *words), "requests", against="podman" if other else "", other=other)


BENCHMARKS = {
    "pull": pull,
    "pull-small": pull_small,
    "pull-given": pull_given,
    "parts": parts,
    "pull-again": pull_again,
    "copies": copies,
    "push-again": push_again,
    "images-500": many_images,
}
