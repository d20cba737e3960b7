"""Images for the benchmarks, made on the spot as OCI layouts: real files of this machine, and many small ones from a seeded generator."""
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import random
import stat
import tarfile

MIB = 1 << 20


class HashingFile:
    """Passes on what is written and hashes it."""

    def __init__(self, inner):
        self.inner, self.hash, self.size = inner, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.inner.write(data)

    def flush(self):
        self.inner.flush()

    def digest(self):
        return "sha256:" + self.hash.hexdigest()


def write_layer(blobs, number, fill):
    """One gzip layer, as registries have them (level 6). `fill` adds the members. Returns (descriptor, diff id)."""
    path = blobs / f"layer-{number}"
    with open(path, "wb") as file:
        packed = HashingFile(file)
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0, filename="") as zipped:
            plain = HashingFile(zipped)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT, bufsize=MIB) as tar:
                fill(tar)
    os.rename(path, blobs / packed.hash.hexdigest())
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": packed.digest(), "size": packed.size}, plain.digest()


def write_layout(folder, fills):
    """`fills`: for each layer, from the bottom, a function that fills its tar. On all processors."""
    folder = pathlib.Path(folder)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    with multiprocessing.get_context("fork").Pool(min(len(fills), os.cpu_count() or 1), initializer=_remember, initargs=(fills,)) as pool:
        layers = pool.starmap(_write_nth, [(blobs, number) for number in range(len(fills))], chunksize=1)

    def put(document):
        raw = json.dumps(document).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (blobs / digest).write_bytes(raw)
        return {"digest": "sha256:" + digest, "size": len(raw)}

    config = put({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]}, "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}})
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = put({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer for layer, _ in layers]})
    manifest |= {"mediaType": kind, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


_fills = []


def _remember(fills):
    _fills[:] = fills


def _write_nth(blobs, number):
    return write_layer(blobs, number, _fills[number])


def real_files(layers=6, layer_size=140 * MIB, source="/usr"):
    """This machine's programs, cut into layers of one size: some 300 MB when compressed."""
    parts, room = [[]], layer_size
    for folder, subfolders, files in os.walk(source):
        subfolders.sort()
        parts[-1].append(folder)
        for name in sorted(files):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if not (stat.S_ISLNK(info.st_mode) or stat.S_ISREG(info.st_mode) and info.st_mode & stat.S_IROTH):
                continue
            if room <= 0:
                if len(parts) == layers:
                    return [_adding(part) for part in parts]
                parts.append([folder])
                room = layer_size
            parts[-1].append(path)
            room -= info.st_size
    return [_adding(part) for part in parts]


def _adding(paths):
    def plain(member):
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode &= 0o777
        member.mtime = int(member.mtime)
        return member

    def fill(tar):
        for path in paths:
            try:
                tar.add(path, arcname=path.lstrip("/"), recursive=False, filter=plain)
            except PermissionError:  # a folder that may not be entered
                continue

    return fill


def small_files(layers=3, folders=3100, files=20000, seed=3):
    """For each layer `files` texts of some 1.6 KB in `folders` folders: the shape of node_modules and site-packages."""
    return [_scribbling(number, folders, files, seed + number) for number in range(layers)]


def _scribbling(number, folders, files, seed):
    def fill(tar):
        chance = random.Random(seed)
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(6000)]
        places = [f"srv/layer{number}"]

        def member(name, kind, size=0):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode, info.mtime = kind, size, 0o755 if kind == tarfile.DIRTYPE else 0o644, 1_700_000_000
            return info

        for name in ("srv", places[0]):
            tar.addfile(member(name, tarfile.DIRTYPE))
        for i in range(folders):
            places.append(f"{chance.choice(places[-40:])}/d{i}" if i % 8 else f"{places[0]}/d{i}")
            tar.addfile(member(places[-1], tarfile.DIRTYPE))
            for j in range(i * files // folders, (i + 1) * files // folders):
                text = " ".join(chance.choices(words, k=chance.randint(20, 480))).encode()
                tar.addfile(member(f"{places[-1]}/f{j}.txt", tarfile.REGTYPE, len(text)), io.BytesIO(text))

    return fill


def many_images_archive(path, count):
    """A docker-archive of `count` images: a layer of its own for each over a common one."""

    def layer(name):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
        return buffer.getvalue()

    with tarfile.open(path, "w") as archive:

        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        base = layer("base")
        put("base.tar", base)
        manifest = []
        for number in range(count):
            own = layer(f"file{number}")
            put(f"layer{number}.tar", own)
            diffs = ["sha256:" + hashlib.sha256(data).hexdigest() for data in (base, own)]
            config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs}}).encode()
            name = hashlib.sha256(config).hexdigest() + ".json"
            put(name, config)
            manifest.append({"Config": name, "RepoTags": [f"localhost/bench/n{number}:latest"], "Layers": ["base.tar", f"layer{number}.tar"]})
        put("manifest.json", json.dumps(manifest).encode())
