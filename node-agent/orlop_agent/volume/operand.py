"""How QEMU's programs are told what to open, and with what."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orlop_agent.domain.spec import (
    Disk,
    DiskFile,
    DiskSource,
    IscsiUnit,
    NbdExport,
    NbdSocket,
    RbdImage,
)
from orlop_agent.volume import luks

CHAP = "chap"
"""Name of QEMU's object that holds the secret of an account."""


def layer(disk: Disk) -> str:
    """The format by QEMU's name: what is around raw bytes is one of its own there."""
    return "luks" if disk.luks is not None and disk.format == "raw" else disk.format


def opened(disk: Disk) -> str:
    """How qemu-img is told to read what is in a disk, encrypted or not."""
    if disk.luks is None:
        return operand(disk.source)
    key = {"key-secret": luks.OBJECT}
    return _json(_protocol(disk.source), key if layer(disk) == "luks" else {"encrypt": key})


def operand(source: DiskSource) -> str:
    """How qemu-img is told where to find it. What is no path is a json: name (qemu(1), "Disk images")."""
    return str(source.path) if isinstance(source, DiskFile) else _json(_protocol(source))


def _protocol(source: DiskSource) -> dict[str, Any]:
    match source:
        case DiskFile(path):
            return {"driver": "file", "filename": str(path)}
        case NbdExport(host, port, export):
            server = {"type": "inet", "host": host, "port": str(port)}
            return {"driver": "nbd", "server": server, "export": export}
        case IscsiUnit(host, port, target, lun, account):
            unit = {
                "driver": "iscsi",
                "transport": "tcp",
                "portal": f"{host}:{port}",
                "target": target,
                "lun": lun,
            }
            chap = {} if account is None else {"user": account, "password-secret": CHAP}
            return unit | chap
        case RbdImage():
            return _rbd(source)
        case NbdSocket(socket, export):
            server = {"type": "unix", "path": str(socket)}
            return {"driver": "nbd", "server": server, "export": export}


def keys_of(source: DiskSource) -> dict[str, str]:
    """What QEMU's `secret` objects hold that its operand names: their ids and texts in base64."""
    match source:
        case RbdImage(secret=name, key=str() as key):
            return {name: key}  # as cephx has it
        case IscsiUnit(chap=bytes() as chap):
            return {CHAP: base64.b64encode(chap).decode()}
        case _:
            return {}


def secrets_of(*disks: Disk) -> dict[str, str]:
    """The same, and what opens encrypted disks. StepError where that is not known."""
    found: dict[str, str] = {}
    for disk in disks:
        found |= keys_of(disk.source) | (luks.objects(disk.luks) if disk.luks is not None else {})
    return found


def _rbd(source: RbdImage) -> dict[str, Any]:
    servers = [{"host": host, "port": str(port)} for host, port in source.monitors]
    image = {"driver": "rbd", "pool": source.pool, "image": source.image, "server": servers}
    moment = {} if source.snapshot is None else {"snapshot": source.snapshot}
    user = {} if source.user is None else {"user": source.user, "key-secret": source.secret}
    return image | moment | user


def _json(protocol: dict[str, Any], options: dict[str, Any] | None = None) -> str:
    """The protocol, and what the format on top of it needs; which one that is is -f's."""
    return f"json:{json.dumps({'file': protocol} | (options or {}))}"


@contextmanager
def secret_objects(keys: Mapping[str, str]) -> Iterator[tuple[list[str], list[int]]]:
    """Options that define them, and the files to pass on: a command line is for everybody on the node to read."""
    files: list[int] = []
    options: list[str] = []
    try:
        for name, key in keys.items():
            file = os.memfd_create("key")
            files.append(file)
            os.write(file, key.encode())
            options += ["--object", f"secret,id={name},format=base64,file=/dev/fd/{file}"]
        yield options, files
    finally:
        for file in files:
            os.close(file)
