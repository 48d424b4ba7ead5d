# SPDX-License-Identifier: MIT
"""Makes OCI image layouts for test_root_oci.c: make_layout.py DIRECTORY WHICH"""

import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm", "ppc64le": "ppc64le"}
HERE = {"os": "linux", "architecture": ARCHITECTURES.get(platform.machine(), platform.machine())}
THERE = {"os": "linux", "architecture": "sparc64"}

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."

top = sys.argv[1]
which = sys.argv[2] if len(sys.argv) > 2 else "good"


def write(name, data):
    path = os.path.join(top, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def blob(data, media_type, **more):
    digest = hashlib.sha256(data).hexdigest()
    write("blobs/sha256/" + digest, data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}


def document(value, media_type, **more):
    return blob(json.dumps(value).encode(), media_type, **more)


def layer(*entries):
    """Entries are a name and contents, or "dir", or a link's target after "->", or a hard link's after "="."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, contents in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            if contents == "dir":
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif contents.startswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, contents[2:]
            elif contents.startswith("="):
                info.type, info.linkname = tarfile.LNKTYPE, contents[1:]
            else:
                info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents.encode()) if info.size else None)
    return data.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def manifest(layers, docker=False, **more):
    config = document({"os": "linux", "architecture": HERE["architecture"], "rootfs": {"type": "layers", "diff_ids": []}},
                      DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json")
    value = {"schemaVersion": 2, "config": config, "layers": layers}
    return document(value, DOCKER + "distribution.manifest.v2+json" if docker else OCI + "manifest.v1+json", **more)


def named(name, **more):
    return {"annotations": {"org.opencontainers.image.ref.name": name}, **more}


def index(*manifests):
    return {"schemaVersion": 2, "manifests": list(manifests)}


first = layer(("bin", "dir"), ("bin/a", "a of 1"), ("bin/b", "b of 1"), ("bin/c", "c of 1"), ("etc", "dir"),
              ("etc/old", "old"), ("etc/older/deep", "deep"), ("gone", "dir"), ("gone/x", "x"), ("link", "->/etc"),
              ("kept", "dir"), ("kept/one", "one"), ("late", "dir"), ("late/low", "low"), ("big", "x" * 100000))
second = layer(("bin/a", "a of 2"), ("bin/.wh.b", ""), ("etc", "dir"), ("etc/.wh..wh..opq", ""), ("etc/new", "new"),
               (".wh.gone", ""), ("link/by-link", "by link"), ("kept/two", "two"), (".wh..wh.plnk", "dir"),
               ("hard", "=bin/c"), ("late/high", "high"), ("late/.wh..wh..opq", ""), (".wh.nothing", ""))
third = layer(("bin/b", "b of 3"), ("gone", "file now"), ("kept", "dir"), (".wh.hard", ""), ("hard", "hard of 3"))


def plain(data, **more):
    return blob(data, OCI + "layer.v1.tar", **more)


good = [blob(gzip.compress(first), OCI + "layer.v1.tar+gzip"), blob(zstd(second), OCI + "layer.v1.tar+zstd"), plain(third)]
other = manifest([plain(layer(("other", "other")))])
contents = index(manifest(good))
version = b'{"imageLayoutVersion": "1.0.0"}'


def change(descriptor, **changes):
    return {**descriptor, **changes}


def damage(descriptor, edit):
    path = os.path.join(top, "blobs/sha256", descriptor["digest"][7:])
    with open(path, "rb") as file:
        data = bytearray(file.read())
    edit(data)
    with open(path, "wb") as file:
        file.write(data)


def flip(data):
    data[len(data) // 2] ^= 1


layouts = {
    "good": lambda: contents,
    "docker": lambda: index(manifest([blob(gzip.compress(first), DOCKER + "image.rootfs.diff.tar.gzip")], True)),
    "named": lambda: index(change(manifest(good), **named("v1")), change(other, **named("v2"))),
    "platforms": lambda: index(change(other, platform=THERE), change(manifest(good), platform=HERE),
                               change(other, platform={"os": "unknown", "architecture": "unknown"})),
    "foreign": lambda: index(change(manifest(good), platform=THERE)),
    "nested": lambda: index(document(index(change(other, platform=THERE), change(manifest(good), platform=HERE),
                                           change(other, platform=HERE)), OCI + "index.v1+json", **named("v1"))),
    "list": lambda: index(document(index(change(other, platform=THERE), change(manifest(good), platform=HERE)),
                                   DOCKER + "distribution.manifest.list.v2+json")),
    "two": lambda: index(change(manifest(good), platform=HERE), change(other, platform=HERE)),
    "none": lambda: index(),
    "no-platform": lambda: index(change(manifest(good), platform=THERE), change(other, platform=THERE)),
    "deep": lambda: index(nest(6)),
    "no-layers": lambda: index(document({"schemaVersion": 2}, OCI + "manifest.v1+json")),
    "version-1": lambda: index(document({"schemaVersion": 1, "layers": []}, OCI + "manifest.v1+json")),
    "odd-layer": lambda: index(manifest([blob(first, "application/x-odd")])),
    "no-digest": lambda: index({"mediaType": OCI + "manifest.v1+json", "size": 1}),
    "path-digest": lambda: index(change(other, digest="sha256:../../../../../../../etc/passwd")),
    "long-path-digest": lambda: index(change(other, digest="sha256:" + ("../" * 30)[:64])),
    "capital-digest": lambda: index(change(other, digest=other["digest"].upper().replace("SHA", "sha"))),
    "sha512": lambda: index(change(other, digest="sha512:" + "0" * 128)),
    "nul-digest": lambda: index(change(other, digest=other["digest"] + "\0x")),
    "number-digest": lambda: index(change(other, digest=5)),
    "missing-blob": lambda: index(change(other, digest="sha256:" + "0" * 64)),
    "negative-size": lambda: index(change(other, size=-1)),
    "wrong-size": lambda: index(change(other, size=other["size"] + 1)),
    "huge-size": lambda: index(change(other, size=1 << 62)),
    "list-index": lambda: [1, 2],
    "odd-index": lambda: {"schemaVersion": 2, "manifests": [1, None, "x", [], {}]},
    "no-gzip": lambda: index(manifest([plain(gzip.compress(first))])),
    "leads-out": lambda: index(manifest([plain(layer(("../evil", "x")))])),
    "bad-whiteout": lambda: index(manifest([plain(layer((".wh.", "")))])),
    "dot-whiteout": lambda: index(manifest([plain(layer((".wh...", "")))])),
}


def nest(depth):
    inner = nest(depth - 1) if depth else other
    return document(index(inner), OCI + "index.v1+json")


if which in layouts:
    write("index.json", json.dumps(layouts[which]()).encode())
    write("oci-layout", version)
else:
    write("index.json", json.dumps(contents).encode())
    write("oci-layout", version)
    if which == "flipped-layer":
        damage(good[2], flip)
    elif which == "flipped-compressed":
        damage(good[0], flip)
    elif which == "trailing":
        damage(good[2], lambda data: data.__setitem__(len(data) - 1, 1))
    elif which == "longer":
        damage(good[2], lambda data: data.append(0))
    elif which == "flipped-manifest":
        damage(contents["manifests"][0], flip)
    elif which == "linked-blob":
        path = os.path.join(top, "blobs/sha256", good[0]["digest"][7:])
        os.rename(path, os.path.join(top, "elsewhere"))
        os.symlink("../../elsewhere", path)
    elif which == "fifo-blob":
        path = os.path.join(top, "blobs/sha256", good[0]["digest"][7:])
        os.unlink(path)
        os.mkfifo(path)
    elif which == "old-layout":
        write("oci-layout", b'{"imageLayoutVersion": "0.9.0"}')
    elif which == "no-layout":
        os.unlink(os.path.join(top, "oci-layout"))
    elif which == "no-index":
        os.unlink(os.path.join(top, "index.json"))
    elif which == "no-json":
        write("index.json", b"{")
    elif which == "deep-json":
        write("index.json", b'{"a":' * 100000 + b"1" + b"}" * 100000)
    elif which == "large-json":
        write("index.json", b" " * (5 << 20) + b"{}")
    else:
        sys.exit("which?")
