"""What a decision of the scheduler costs, alone: no API server, one core."""

import gc
import random
import time
import tracemalloc
from dataclasses import dataclass, replace

from orlop_api.placement import Toleration
from orlop_operator.scheduling import (
    Host,
    Placement,
    Preference,
    Request,
    Requirement,
    Taint,
    Term,
    Usage,
    World,
    place,
)
from orlop_operator.scheduling.filters.zone import LABEL as ZONE
from orlop_operator.scheduling.place import explain
from support import scale

GI = 1 << 30
IMAGES = [f"sha256:{number:064x}" for number in range(40)]
UNDER_WAY = 500
"""Machines that are not started yet, while the next are placed."""
SHAPES = [(1, 2 * GI, 10 * GI), (2, 4 * GI, 20 * GI), (4, 8 * GI, 40 * GI), (8, 32 * GI, 80 * GI)]


def host(number, chance):
    """A node of a mixed cloud: zones, racks and generations; some are reserved, worn out, cordoned or silent."""
    labels = {
        "kubernetes.io/hostname": f"node-{number:05}",
        ZONE: f"zone-{number % 5}",
        "rack": f"r{number // 40}",
        "generation": str(number % 7),
        "disk": "ssd" if number % 3 else "hdd",
    }
    taints = (Taint("dedicated", "NoSchedule", "db"),) if number % 20 == 0 else ()
    if number % 33 == 0:
        taints = (*taints, Taint("old", "PreferNoSchedule"))
    return Host(
        f"node-{number:05}",
        Usage(64 * (1 + number % 2), 256 * GI, 4096 * GI),
        ready=number % 101 != 0,
        cordoned=number % 97 == 0,
        disabled="new disks" if number % 89 == 0 else None,
        weight=(number % 5) / 100,
        labels=labels,
        taints=taints,
        architecture="aarch64" if number % 11 == 0 else "x86_64",
        images=frozenset(chance.sample(IMAGES, 8)),
        pool_id=f"pool-{number}",
    )


def request(number, chance, hosts):
    """Of one of forty tenants; every filter but those of Networks and Volumes has to look, and every weight."""
    tenant = number % 40
    vcpus, memory, disk = SHAPES[chance.randrange(len(SHAPES))]
    old = Requirement("generation", "Gt", (str(tenant % 3),))
    racks = Requirement("rack", "NotIn", (f"r{tenant}", f"r{tenant + 1}"))
    wanted = Term((Requirement("rack", "In", tuple(f"r{tenant + 3 * each}" for each in range(5))),))
    excluded = {f"node-{chance.randrange(hosts):05}": "not enough memory"} if number % 10 == 0 else {}
    return Request(
        vcpus,
        memory,
        disk,
        node_selector={"disk": "ssd"} if tenant % 2 else {},
        affinity=(Term((old, racks)),),
        preferred=(Preference(80, wanted), Preference(20, Term((Requirement("generation", "In", ("6",)),)))),
        zone=f"zone-{tenant % 5}",
        tolerations=(Toleration(key="dedicated", value="db"),) if tenant % 8 == 0 else (),
        architecture="x86_64",
        image=IMAGES[tenant],
        excluded=excluded,
        failed=frozenset(excluded),
    )


@dataclass
class Found:
    hosts: int
    instances: int
    seconds: list[float]
    """Of processor time for each decision, the hold on what was chosen included."""
    cpu: float
    """Seconds of processor time for all of them."""
    unplaced: int
    world: World

    def summary(self):
        micro = {name: value * 1e6 for name, value in scale.spread(self.seconds).items()}
        return {
            "hosts": self.hosts,
            "instances": self.instances,
            "decisions_per_second": self.instances / self.cpu,
            "p50_microseconds": micro["p50"],
            "p95_microseconds": micro["p95"],
            "p99_microseconds": micro["p99"],
            "unplaced": self.unplaced,
        }


def measure(hosts, instances, seed=7):
    """Place so many Instances, one after the other, on so many hosts."""
    chance = random.Random(seed)
    world = World(host(number, chance) for number in range(hosts))
    for number in range(0, hosts, 50):
        world.blame(f"failed-{number}", f"node-{number:05}")
    wanted = [request(number, chance, hosts) for number in range(instances)]
    place(wanted[0], world)
    seconds, unplaced = [], 0
    cpu = time.process_time()
    for number, each in enumerate(wanted):
        began = time.thread_time()
        found = place(each, world)
        if isinstance(found, Placement):
            world.hold(f"{number:032x}", found.node, each.usage)
            world.occupy(f"{number:032x}", found.node)
            if number >= UNDER_WAY:
                world.occupy(f"{number - UNDER_WAY:032x}", None)
        else:
            unplaced += 1
        seconds.append(time.thread_time() - began)
    cpu = time.process_time() - cpu
    return Found(hosts, instances, seconds, cpu, unplaced, world)


def added_host(world, times=50):
    """Seconds until a decision has taken a new node into account, without the decision."""
    chance = random.Random(1)
    first = len(world.hosts)
    begin = time.process_time()
    for number in range(first, first + times):
        world.put(host(number, chance))
        assert world.row(f"node-{number:05}") is not None
    spent = (time.process_time() - begin) / times
    for number in range(first, first + times):
        world.remove(f"node-{number:05}")
    return spent


def changed_host(world, times=200):
    """Seconds for a node that reports something new."""
    chance = random.Random(2)
    rows = [chance.randrange(len(world.hosts)) for _ in range(times)]
    begin = time.process_time()
    for row in rows:
        known = world.hosts[row]
        world.put(replace(known, images=known.images | {IMAGES[row % 40]}, weight=known.weight + 0.01))
    return (time.process_time() - begin) / times


def added_instance(world, times=2000):
    """Seconds to count one more Instance, and to forget it."""
    begin = time.process_time()
    for number in range(times):
        world.hold(f"more-{number}", f"node-{number % len(world.hosts):05}", Usage(1, GI, GI))
    for number in range(times):
        world.drop(f"more-{number}")
    return (time.process_time() - begin) / times


def explained(world, times=20):
    """Seconds for the sentence of an Instance that fits nowhere."""
    wanted = replace(request(1, random.Random(3), len(world.hosts)), memory=1 << 50)
    begin = time.process_time()
    for _ in range(times):
        explain(wanted, world)
    return (time.process_time() - begin) / times


def footprint(hosts, instances):
    """Bytes that the World needs for a host, with all that is remembered about it, and for an Instance."""
    chance = random.Random(7)
    asked = [request(number, chance, hosts) for number in range(40)]
    gc.collect()
    tracemalloc.start()
    try:
        world = World(host(number, chance) for number in range(hosts))
        for each in asked:
            place(each, world)
        per_host = tracemalloc.get_traced_memory()[0] / hosts
        before = tracemalloc.get_traced_memory()[0]
        for number in range(instances):
            world.hold(f"{number:032x}", f"node-{number % hosts:05}", Usage(1, GI, GI))
        per_instance = (tracemalloc.get_traced_memory()[0] - before) / instances
    finally:
        tracemalloc.stop()
    return {"bytes_per_host": per_host, "bytes_per_instance": per_instance}
