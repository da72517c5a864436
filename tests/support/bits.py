"""Guests that tell of their disks, and what tests do to the Volumes that these are."""

from __future__ import annotations

import json
import re
from typing import Any

from orlop_cluster.lab import until
from support.lab import NAMESPACE, Cluster

MIB = 1 << 20
FILLED = 2 * MIB
"""How much of a disk is summed up: its beginning."""

# Tells of every disk behind the seed, and again when it has another size or comes again: serial, sectors, and the sum
# of its first 2 MiB.
READER = """#!/bin/sh
told() {
  for disk in /sys/block/vd[c-z]; do
    [ -e $disk ] && echo "$(cat $disk/serial) $(cat $disk/size) ${disk##*/}"
  done
}
before=
while sleep 0.5; do
  now=$(told)
  echo "$now" | while read -r serial sectors name; do
    case "$before" in *"$serial $sectors"*) continue ;; esac
    [ -n "$name" ] && echo "DISK $serial $sectors $(dd if=/dev/$name bs=1M count=2 2>/dev/null | sha256sum)"
  done
  before=$now
done
"""

# The same of a guest that fills one disk first, and then goes on changing what is behind that. It writes through the
# device that it opened: by its name, a write just after the disk has gone would make a file that hides the next disk.
_WRITER = """#!/bin/sh
while ! disk=$(disk-by-serial SERIAL 2>/dev/null); do sleep 0.2; done
dd if=/dev/urandom of=$disk bs=1M count=2 conv=notrunc,fsync 2>/dev/null
echo SUM $(dd if=$disk bs=1M count=2 2>/dev/null | sha256sum)
while sleep 0.3 && disk-by-serial SERIAL >/dev/null 2>&1; do
  dd if=/dev/urandom of=/proc/self/fd/3 bs=64k seek=256 count=8 conv=notrunc,fsync 2>/dev/null
done 3<$disk &
"""


def writer(serial: str) -> str:
    """User data of a guest that writes to the disk with this serial once it is there, and tells of all of them."""
    return _WRITER.replace("SERIAL", serial) + READER.removeprefix("#!/bin/sh\n")


def volume(cluster: Cluster, name: str, size: int, class_name: str, **source: object) -> str:
    """A new Volume of so many MiB; the serial that guests know it by."""
    spec = {"size": f"{size}Mi", "className": class_name} | ({"source": source} if source else {})
    cluster.apply(cluster.object("Volume", name, spec))
    return str(cluster.get("ovol", name, NAMESPACE)["metadata"]["uid"][:20])


def snapshot(cluster: Cluster, name: str, of: str) -> None:
    """Ask for one."""
    cluster.apply(cluster.object("VolumeSnapshot", name, {"volumeRef": {"name": of}}))


def attach(cluster: Cluster, instance: str, *names: str) -> None:
    """The Instance shall have these Volumes from now on, and no other."""
    listed = [{"name": name, "volumeRef": {"name": name}} for name in names]
    cluster.patch(instance, {"volumes": listed})


def grow(cluster: Cluster, name: str, size: int) -> None:
    """The Volume shall have so many MiB."""
    patch = json.dumps({"spec": {"size": f"{size}Mi"}})
    cluster.kubectl("patch", "ovol", name, "--namespace", NAMESPACE, "--type=merge", "-p", patch)


def has_grown(cluster: Cluster, name: str, size: int) -> None:
    """Until the device has so many MiB."""
    cluster.wait(f"ovol/{name}", f"jsonpath={{.status.capacityBytes}}={size * MIB}", NAMESPACE)


def told(cluster: Cluster, instance: dict[str, Any]) -> list[tuple[str, int, str]]:
    """What the guest told of its disks, in order: serial, MiB, sum."""
    lines = re.findall(r"user-data: DISK (\S+) (\d+) ([0-9a-f]{64})", cluster.console(instance))
    return [(serial, int(sectors) * 512 // MIB, total) for serial, sectors, total in lines]


def sees(
    cluster: Cluster, instance: dict[str, Any], *disks: tuple[str, int, str], seconds: float = 120
) -> None:
    """Until the guest has told of each of these disks with just this size and sum."""
    until(
        lambda: str(told(cluster, instance)), lambda seen: all(str(disk) in seen for disk in disks), seconds
    )


def written(cluster: Cluster, instance: dict[str, Any]) -> str:
    """The sum of what the guest wrote, once it has."""
    console = until(lambda: cluster.console(instance), lambda text: "user-data: SUM" in text, 300)
    return re.findall(r"user-data: SUM ([0-9a-f]{64})", console)[0]
