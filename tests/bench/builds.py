"""Benchmarks of builds: ten steps, of which six run a command."""
from compare import Contestant, have
from place import BUILD


def context(place):
    place.small_image()
    folder = place.work / "context"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("content\n")
    steps = "".join(f"RUN echo {number} > /step{number}\n" for number in range(6))
    (folder / "Containerfile").write_text(f'FROM bench\nENV A=1\nCOPY file /file\n{steps}WORKDIR /tmp\nCMD ["true"]\n')
    return str(folder)


def build(bench, *, cached):
    folder = context(bench.place)
    words = ["-q", "--network", "none", "-t", "ten", *([] if cached else ["--no-cache"]), folder]
    contestants = [Contestant("proa", [BUILD, "build", *words])]
    if have("buildah"):
        for flags in ([], ["--isolation", "chroot"]):  # the second does less, and works where crun cannot
            buildah = [*bench.place.podman(program="buildah"), "build", "--layers", *flags, *words]
            if bench.place.peer_works(*buildah):
                contestants.append(Contestant(" ".join(["buildah", *flags]), buildah, goal=1 / 50 if cached else 1 / 15))
                break
    bench.measure("build of ten steps, " + ("all cached" if cached else "nothing cached"), contestants)


def uncached(bench):
    """build of ten steps, nothing cached, against buildah"""
    build(bench, cached=False)


def cached(bench):
    """the same, all cached"""
    build(bench, cached=True)


BENCHMARKS = {"build": uncached, "build-cached": cached}
