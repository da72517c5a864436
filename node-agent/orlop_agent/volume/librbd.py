"""Calls of librbd, in a process of its own:  librbd.py < REQUEST > ANSWER, both JSON.

It is a program and no module of the agent: librados begins threads, waits as long as it likes, and ends its process
where it finds a mistake. The bindings are Debian's, for Debian's Python, so it imports nothing but those.
"""

import base64
import json
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

ANSWERS = "10"
"""Seconds in which monitors must answer; and each of the other servers, to each of what they are asked (seconds)."""
SERVERS = "30"
NOTE = "orlop-note"
"""Name of an image's metadata."""
LUKS = struct.Struct(">6sH32x32x32xI")
"""How a header of LUKS begins: its magic, its version, and in which sector of 512 bytes the data begins."""
UNFINISHED = ".making-"
"""Between the name of an image and what tells two tries from each other, while it is not whole."""


class NoHeaderError(Exception):
    """The image does not begin as what was made encrypted does."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What became of it."""
    try:
        rados, rbd = import_module("rados"), import_module("rbd")
    except ImportError as error:
        return {"error": "Missing", "message": str(error)}
    options = {
        "mon_host": request["monitors"],
        "client_mount_timeout": ANSWERS,
        "rados_mon_op_timeout": SERVERS,
        "rados_osd_op_timeout": SERVERS,
        "log_to_stderr": "true",
    }
    if request["key"] is not None:
        options["key"] = request["key"]
    try:
        with rados.Rados(name=f"client.{request['user'] or 'admin'}", conf=options) as cluster:
            try:
                pool = cluster.open_ioctx(request["pool"])
            except rados.ObjectNotFound:
                return {"error": "PoolNotFound"}
            with pool:
                return {"made": call(rbd, pool, request)}
    except (rados.Error, rbd.Error, NoHeaderError) as error:
        return {"error": type(error).__name__, "message": str(error)}


def call(rbd: Any, pool: Any, request: dict[str, Any]) -> Any:
    """One call, on the image `name`."""
    images, name = rbd.RBD(), request["name"]
    match request["call"]:
        case "size":
            try:
                with rbd.Image(pool, name, read_only=True) as image:
                    return image.size() - before(image, sealed=request["sealed"])
            except rbd.ImageNotFound:
                return None
        case "make":
            sweep(rbd, pool, request["sweep"], request["as"], rbd.ImageBusy)
            header = base64.b64decode(request["header"])
            images.create(pool, name, len(header) + request["size"])
            with rbd.Image(pool, name) as image:
                if header:
                    image.write(header, 0)
                if request["note"] is not None:
                    image.metadata_set(NOTE, request["note"])
        case "noted":
            return noted(rbd, pool, name)
        case "publish":
            with suppress(rbd.ImageExists):
                images.rename(pool, name, request["as"])
            # Where another made it meanwhile, a guest may have written to that. librbd does not always tell.
            sweep(rbd, pool, name, request["as"], rbd.ImageBusy)
        case "abandon":
            sweep(rbd, pool, name, request["as"])
        case "grow":
            with rbd.Image(pool, name) as image:
                whole = before(image, sealed=request["sealed"]) + request["size"]
                if image.size() < whole:
                    image.resize(whole)
        case "take":
            drop(
                rbd,
                pool,
                name,
                lambda known: known.startswith(request["stale"]) and known not in request["kept"],
            )
            return take(rbd, pool, name, request["snapshot"])
        case "drop":
            drop(rbd, pool, name, lambda known: known == request["snapshot"])
        case "delete":
            sweep(rbd, pool, name + UNFINISHED, name)
            drop(rbd, pool, name, lambda known: known.startswith(request["snapshots"]))
            remove(rbd, pool, name)
        case unknown:
            raise AssertionError(unknown)
    return None


def take(rbd: Any, pool: Any, name: str, snapshot: str) -> dict[str, Any]:
    """Keep what the image holds now; and whether somebody has it open."""
    with rbd.Image(pool, name) as image:
        image.create_snap(snapshot)
    # Who can write watches the image, and who only reads does not.
    with rbd.Image(pool, name, read_only=True) as image:
        return {"in_use": bool(list(image.watchers_list()))}


def before(image: Any, *, sealed: bool) -> int:
    """Bytes of the image that are a header and no data (LUKS1 On-Disk Format Specification, section 2)."""
    if not sealed:
        return 0
    magic, version, sector = LUKS.unpack(image.read(0, LUKS.size).ljust(LUKS.size))
    if (magic, version) != (b"LUKS\xba\xbe", 1):
        raise NoHeaderError
    return int(sector) * 512


def drop(rbd: Any, pool: Any, name: str, unwanted: Callable[[str], bool]) -> None:
    """Remove snapshots of the image, if it is there."""
    try:
        with rbd.Image(pool, name) as image:
            for snapshot in [known["name"] for known in image.list_snaps() if unwanted(known["name"])]:
                image.remove_snap(snapshot)
    except rbd.ImageNotFound:
        return


def sweep(rbd: Any, pool: Any, prefix: str, whole: str, *spared: type[Exception]) -> None:
    """Remove what is left of makings that were broken off; one that is under way has its image open: ImageBusy.

    Who deletes all of it has to hear that, since nobody looks again; others spare it.
    A renaming that was broken off leaves two names of the one image: that stays.
    """
    kept = identity(rbd, pool, whole)
    for name in rbd.RBD().list(pool):
        if name.startswith(prefix) and (kept is None or identity(rbd, pool, name) != kept):
            with suppress(*spared):
                remove(rbd, pool, name)


def noted(rbd: Any, pool: Any, name: str) -> str | None:
    """What was noted of the image when it was made."""
    with suppress(rbd.ImageNotFound, KeyError), rbd.Image(pool, name, read_only=True) as image:
        return str(image.metadata_get(NOTE))
    return None


def identity(rbd: Any, pool: Any, name: str) -> str | None:
    """What stays the same when an image gets another name; None where it is not there."""
    try:
        with rbd.Image(pool, name, read_only=True) as image:
            return str(image.id())
    except rbd.ImageNotFound:
        return None


def remove(rbd: Any, pool: Any, name: str) -> None:
    """Remove the image, if it is there."""
    try:
        rbd.RBD().remove(pool, name)
    except rbd.ImageNotFound:
        return


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
