"""Agents killed at random moments while they import, attach, snapshot and expand: all of it comes about.

Both nodes at once, each with a guest that writes to its disk all the time. Afterwards what is asked for is there, bit
for bit, and the nodes' directories hold that and nothing else.
"""

import gzip
import hashlib
import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from orlop_agent.image.names import disk_name
from support import bits
from support.killing import kill, works_again
from support.lab import NAMESPACE
from support.partitions import BOOT_CODE, TABLE

pytestmark = [pytest.mark.e2e, pytest.mark.disruptive, pytest.mark.timeout(1800)]
KILLS = int(os.environ.get("ORLOP_SOAK", "6"))
"""On both nodes together."""
# All Images are imported by the node that is first by name, when both have nothing to do.
_I, _S, _A, _E = "import", "snapshot", "attach", "expand"
WORK = ((_I, _S, _I, _A, _I, _E, _I, _S, _I, _A), (_A, _E, _S, _A, _S, _E, _E, _S, _A, _E))
LONGEST = {"import": 4.0, "attach": 2.0, "snapshot": 2.0, "expand": 1.0}
"""Seconds from the order in which the kill may come; about what the node needs to carry it out, and a little more."""
FOLDERS = ("volumes", "targets", "instances", "journal")
POOL = "/var/lib/orlop"
IMAGES = f"{POOL}/images"


def listing(cluster, node):
    """Every name in the node's data pool that belongs to something, by directory; and what is offered to readers."""
    named = " ".join(f"{POOL}/{folder}" for folder in (*FOLDERS, "images"))
    found = cluster.on_node(
        node, "bash", "-c", f"for d in {named} /run/orlop/exports; do echo $d: $(ls -A $d); done"
    )
    return {line.partition(":")[0]: set(line.partition(":")[2].split()) for line in found.splitlines()}


class Lane:
    """One node: its guest, the order that comes next, and what must be there in the end."""

    def __init__(self, cluster, guests, number):
        self.cluster, self.guests = cluster, guests
        self.node = cluster.workers[number]
        self.steady, self.guest, self.size = f"steady-{number}", f"storm-{number}", 32
        self.number, self.hot, self.kept, self.images = number, [], [], {}
        serial = bits.volume(cluster, self.steady, self.size, "local")
        place = {"nodeSelector": {"kubernetes.io/hostname": self.node}}
        script = {"inline": bits.writer(serial)}
        cluster.apply(cluster.instance(self.guest, userData=script, placement=place))
        bits.attach(cluster, self.guest, self.steady)
        self.serials = {self.steady: serial}

    def ready(self):
        """Its guest has written."""
        self.cluster.wait(f"inst/{self.guest}", namespace=NAMESPACE)
        self.instance = self.cluster.get("inst", self.guest, NAMESPACE)
        self.sum = bits.written(self.cluster, self.instance)
        self.boot = self.cluster.answer(self.instance)[1]

    def storm(self, dice):
        """Orders and kills; what was done when, a line for each."""
        lines = []
        for turn, kind in enumerate(itertools.islice(itertools.cycle(WORK[self.number]), KILLS // 2)):
            works_again(self.cluster, self.node)
            getattr(self, f"begin_{kind}")(turn)
            after = dice.uniform(0, LONGEST[kind])
            # The random moment is the test.
            self.cluster.on_node(self.node, "sleep", f"{after:.3f}")
            kill(self.cluster, self.node)
            lines.append((self.node, kind, after))
        works_again(self.cluster, self.node)
        return lines

    def begin_import(self, turn):
        name = f"late-{turn}"
        served = self.guests.folder / f"{name}-{os.getpid()}"
        disk = bytes(BOOT_CODE) + TABLE + os.urandom(32 * bits.MIB - 512)
        served.write_bytes(gzip.compress(disk, 1) if turn % 4 else disk)
        checksum, content = self.guests.checksum(served.name), f"sha256:{hashlib.sha256(disk).hexdigest()}"
        self.images[name] = served, disk_name(checksum, content)
        source = {"http": {"url": self.guests.url(served.name)}}
        spec = {"source": source, "checksum": checksum, "format": "raw"}
        self.cluster.apply(self.cluster.object("Image", name, spec))

    def begin_attach(self, turn):
        """One more; and the one before goes."""
        name = f"hot-{self.number}-{turn}"
        self.serials[name] = bits.volume(self.cluster, name, 9, "local")
        self.hot.append(name)
        bits.attach(self.cluster, self.guest, self.steady, name)

    def begin_snapshot(self, turn):
        self.kept.append(f"kept-{self.number}-{turn}")
        bits.snapshot(self.cluster, self.kept[-1], self.steady)

    def begin_expand(self, _turn):
        self.size += 1
        bits.grow(self.cluster, self.steady, self.size)

    def comes_about(self):
        """All that was ordered, and the data in it."""
        cluster = self.cluster
        for what in (*(f"img/{name}" for name in self.images), *(f"ovsnap/{name}" for name in self.kept)):
            cluster.wait(what, namespace=NAMESPACE, seconds=300)
        bits.has_grown(cluster, self.steady, self.size)
        restored = [f"again-{name}" for name in self.kept]
        for name, kept in zip(restored, self.kept, strict=True):
            self.serials[name] = bits.volume(cluster, name, 64, "local", snapshotRef={"name": kept})
        bits.attach(cluster, self.guest, self.steady, *self.hot[-1:], *restored)
        cluster.wait(f"inst/{self.guest}", namespace=NAMESPACE, seconds=300)
        bits.sees(cluster, self.instance, *((self.serials[name], 64, self.sum) for name in restored))
        bits.sees(cluster, self.instance, *((self.serials[name], 9, ZEROS) for name in self.hot[-1:]))
        assert cluster.answer(self.instance)[1] == self.boot, "the guest never ended"

    def expected(self, before):
        """The node's directories, by what the objects say that they have."""
        made = {name: self.cluster.get("ovol", name, NAMESPACE) for name in self.serials}
        made |= {name: self.cluster.get("ovsnap", name, NAMESPACE) for name in self.kept}
        uids = {name: thing["metadata"]["uid"] for name, thing in made.items()}
        # One that was listed for a moment only may never have got its data.
        there = [name for name, thing in made.items() if has_data(thing)]
        guest = self.instance["metadata"]["uid"]
        return {
            **before,
            f"{POOL}/volumes": {f"{uids[name]}.qcow2" for name in there}
            | {f"{uids[name]}.note" for name in self.kept},
            f"{POOL}/instances": {guest},
            f"{POOL}/journal": {f"{guest}.json"},
            IMAGES: listing(self.cluster, self.node)[IMAGES],
        }


ZEROS = hashlib.sha256(bytes(bits.FILLED)).hexdigest()


def has_data(thing):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in thing["status"]["conditions"])


def test_kills_lose_nothing_and_leave_nothing(cluster, guests, show_table):
    seed = int(os.environ.get("ORLOP_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"\nkills: {KILLS}, ORLOP_SEED={seed}")
    before = [listing(cluster, node) for node in cluster.workers]
    lanes = [Lane(cluster, guests, number) for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Lane.ready, lanes))
        had = [listing(cluster, node)[IMAGES] for node in cluster.workers]
        dice = [random.Random(seed + lane.number) for lane in lanes]
        told = [line for lines in pool.map(Lane.storm, lanes, dice) for line in lines]
        show_table(f"agents killed (ORLOP_SEED={seed})", ("node", "during", "seconds after the order"), told)
        list(pool.map(Lane.comes_about, lanes))
    assert len(told) == KILLS
    for lane, was in zip(lanes, before, strict=True):
        assert listing(cluster, lane.node) == lane.expected(was)
    # Which node imports is the operator's choice, and another one when the first is away for long.
    cached = {
        lane.node: listing(cluster, lane.node)[IMAGES] - images
        for lane, images in zip(lanes, had, strict=True)
    }
    assert set().union(*cached.values()) == {name for _, name in lanes[0].images.values()}
    for node, names in cached.items():
        for name in names:
            assert (
                cluster.on_node(node, "sha256sum", f"{IMAGES}/{name}").split()[0] == name.rpartition(".")[2]
            )
    for lane in lanes:
        cluster.delete(lane.guest)
        cluster.delete(*lane.serials, kind="ovol")
        cluster.delete(*lane.kept, kind="ovsnap")
        for name, (served, _) in lane.images.items():
            cluster.delete(name, kind="img")
            served.unlink()
    for lane in lanes:
        left = listing(cluster, lane.node)
        assert {folder: left[f"{POOL}/{folder}"] for folder in FOLDERS} == {
            folder: set() for folder in FOLDERS
        }
