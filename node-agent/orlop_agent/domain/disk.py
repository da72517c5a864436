"""<disk>: virtio disks in order, vda first."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import Disk


def disk(index: int, made_of: Disk, cache: str, *, bootable: bool) -> Node:
    return element(
        "disk",
        element(
            "driver",
            name="qemu",
            type=made_of.format,
            cache=cache,
            # A full pool halts the guest instead of handing it errors that would break its file system.
            error_policy=None if made_of.readonly else "enospace",
            discard=None if made_of.readonly else "unmap",
        ),
        element("source", file=str(made_of.path)),
        _backing(made_of),
        element("target", dev=f"vd{chr(ord('a') + index)}", bus="virtio"),
        element("readonly") if made_of.readonly else None,
        element("serial", text=made_of.serial) if made_of.serial else None,
        element("boot", order="1") if bootable else None,
        type="file",
        device="disk",
    )


def _backing(made_of: Disk) -> Node:
    """The chain in full, so that nobody goes by what a disk's header says."""
    if made_of.base is None:
        return element("backingStore")
    return element(
        "backingStore",
        element("format", type=made_of.base.format),
        element("source", file=str(made_of.base.path)),
        element("backingStore"),
        type="file",
    )
