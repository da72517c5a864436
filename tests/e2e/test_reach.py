"""Who reaches a guest: from its node and another, by each way there is, by IPv4 and IPv6, let in or not.

Each cell is traffic. Two guests, `open` and `shut`, have a SecurityGroup that lets everybody in, and one that lets
nobody in; all others ask both of them all the time.
"""

import re
from ipaddress import IPv6Network

import pytest

from orlop_api.address6 import eui64
from orlop_cluster.lab import until
from support.lab import NAMESPACE, basics
from support.outside import from_node, from_pod

pytestmark = pytest.mark.e2e
OTHER = "e2e-reach"
SUBNETS = {"left": ("10.81.0", "fd00:81::/64"), "right": ("10.82.0", "fd00:82::/64")}
TARGETS = {"open": 0x10, "shut": 0x11}
FLOATING = {"open": "198.18.1.231", "shut": "198.18.1.232"}
WAYS = ("same Network", "routed Network", "other tenant, same CIDR", "floating address", "Service")
ASKS = """#!/bin/sh
ask() {{ "$1" -c 1 -W 1 "$2" >/dev/null 2>&1 && echo yes || echo no; }}
n=0; while [ $n -lt 600 ]; do
  n=$((n+1)); echo "ASKED $n gateway=$(ask ping {gateway}) {asked}"; sleep 0.3
done
"""
FACTS = ("gateway", "open4", "open6", "shut4", "shut6")


def mac(last):
    return f"02:bb:00:00:00:{last:02x}"


def addresses(on, last):
    """Of IPv4 and IPv6, by the family's number."""
    start, prefix = SUBNETS[on]
    return {4: f"{start}.{last}", 6: str(eui64(IPv6Network(prefix), mac(last)))}


def nic(on, last, **more):
    return {"networkRef": {"name": on}, "address": addresses(on, last)[4], "macAddress": mac(last)} | more


def asking(cluster, name, node, on, last, namespace=NAMESPACE):
    """A guest that asks both."""
    asked = {f"{whom}{f}": to for whom, at in TARGETS.items() for f, to in addresses("left", at).items()}
    words = " ".join(f"{fact}=$(ask {'ping6' if '6' in fact else 'ping'} {to})" for fact, to in asked.items())
    script = ASKS.format(gateway=f"{SUBNETS[on][0]}.1", asked=words)
    return cluster.placed(name, node, nic(on, last), script, namespace)


def heard(cluster, name, namespace=NAMESPACE):
    """What a guest is answered once its gateway answers, and three times the same: nothing comes and goes."""
    instance = cluster.get("inst", name, namespace)
    words = " ".join(f"{fact}=(yes|no)" for fact in FACTS)
    lines = until(
        lambda: re.findall(rf"ASKED \d+ {words}", cluster.console(instance)),
        lambda seen: len(seen) >= 3 and seen[-1][0] == "yes" and len(set(seen[-3:])) == 1,
        180,
    )
    return dict(zip(FACTS[1:], (word == "yes" for word in lines[-1][1:]), strict=True))


def pod(cluster, name, node):
    """A pod on the node, of an image that is there."""
    [image] = cluster.kubectl(
        *("get", "deploy", "orlop-operator", "-n", "orlop-system"),
        *("-o", "jsonpath={.spec.template.spec.containers[*].image}"),
    ).split()
    container = {
        "name": "asks",
        "image": image,
        "command": ["python3", "-c", "import time; time.sleep(3600)"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def service(name):
    annotations = {"orlop.dev/instance-selector": f"reach={name}"}
    metadata = {"name": f"reach-{name}", "namespace": NAMESPACE, "annotations": annotations}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"port": 80, "targetPort": 7}]},
    }


def set_up(cluster, guests):
    """Two guests to ask, those that ask, and what leads to them."""
    first, second = cluster.workers
    cluster.apply(*basics(cluster, guests, OTHER))
    cluster.wait("img/tiny", namespace=OTHER)
    for namespace, name in ((NAMESPACE, "left"), (NAMESPACE, "right"), (OTHER, "left")):
        start, prefix = SUBNETS[name]
        subnets = [
            {"name": "v4", "cidr": f"{start}.0/24"},
            {"name": "v6", "cidr": prefix, "ipv6Mode": "SLAAC"},
        ]
        cluster.apply(cluster.object("Network", name, {"subnets": subnets}, namespace))
    anybody = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    pool = {"start": min(FLOATING.values()), "end": max(FLOATING.values())}
    outside = {"name": "v4", "cidr": "198.18.1.0/24", "pools": [pool]}
    flat = {"segment": {"type": "Flat", "physicalNetwork": "public"}, "subnets": [outside]}
    cluster.apply(
        cluster.object("SecurityGroup", "open", {"ingress": anybody, "egress": anybody}),
        cluster.object("SecurityGroup", "shut", {"ingress": [], "egress": anybody}),
        cluster.object("Router", "reach", {"networks": [{"name": "left"}, {"name": "right"}]}),
        cluster.object("Network", "reach", flat),
        pod(cluster, "near", first),
        pod(cluster, "far", second),
    )
    for name, last in TARGETS.items():
        guest = cluster.placed(name, first, nic("left", last, securityGroupRefs=[{"name": name}]))
        guest["metadata"]["labels"] = {"reach": name}
        leads = {
            "networkRef": {"name": "reach"},
            "address": FLOATING[name],
            "portRef": {"name": f"{name}-eth0"},
        }
        cluster.apply(guest, cluster.object("FloatingIP", name, leads), service(name))
    for last, (place, node) in enumerate((("near", first), ("far", second)), start=0x20):
        cluster.apply(
            asking(cluster, f"{place}-left", node, "left", last),
            asking(cluster, f"{place}-right", node, "right", last),
            asking(cluster, f"{place}-other", node, "left", last, OTHER),
        )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=400)
    cluster.wait("inst --all", namespace=OTHER, seconds=240)
    for name in TARGETS:
        target = cluster.get("inst", name, NAMESPACE)
        cluster.booted(target, seconds=300)
        # Both would answer: what is not heard below was stopped.
        assert cluster.answer(target, "left")[0] == name


def table(cluster):
    """Each cell: way, place, family and group, and whether there was an answer."""
    found = {}
    for place, node in zip(("near", "far"), cluster.workers, strict=True):
        for way, name, namespace in (
            (WAYS[0], "left", NAMESPACE),
            (WAYS[1], "right", NAMESPACE),
            (WAYS[2], "other", OTHER),
        ):
            for fact, answered in heard(cluster, f"{place}-{name}", namespace).items():
                found[way, place, int(fact[-1]), fact[:-1]] = answered
        for name, last in TARGETS.items():
            own = addresses("left", last)[6]
            at = cluster.get("service", f"reach-{name}", NAMESPACE)["spec"]["clusterIP"]
            found[WAYS[3], place, 4, name] = from_node(cluster, node, FLOATING[name], 7) is not None
            found[WAYS[3], place, 6, name] = from_node(cluster, node, own, 7) is not None
            found[WAYS[4], place, 4, name] = from_pod(cluster, NAMESPACE, place, at, 80) is not None
            found[WAYS[4], place, 6, name] = from_pod(cluster, NAMESPACE, place, own, 7) is not None
    return found


def expected(way, _place, family, group):
    """Another tenant never; from outside by IPv4 only, as there is no floating address of IPv6."""
    inside = way in WAYS[:2]
    return group == "open" and (inside or (way in WAYS[3:] and family == 4))


def allowed(found):
    """The same, of which no answer came where there must be none."""
    assert not [cell for cell, answered in found.items() if answered and not expected(*cell)]
    return found


def missing(found):
    """Answers that have not come yet."""
    return [cell for cell, answered in found.items() if expected(*cell) and not answered]


def test_who_reaches_whom(cluster, guests):
    set_up(cluster, guests)
    # kube-proxy and the announcement come a moment after the guests. Who may not be answered is not, not for a moment.
    found = until(lambda: allowed(table(cluster)), lambda seen: not missing(seen), 120)
    assert len(found) == len(WAYS) * 2 * 2 * 2
    for (way, place, family, group), answered in sorted(found.items()):
        print(f"{way:24} {place:5} IPv{family} {group:5} {'answered' if answered else '-'}")
    names = [*TARGETS, *(f"{place}-{name}" for place in ("near", "far") for name in ("left", "right"))]
    cluster.delete(*names)
    cluster.delete("near-other", "far-other", namespace=OTHER)
    cluster.delete(*TARGETS, kind="ofip")
    cluster.delete("near", "far", kind="pod")
    cluster.delete("reach-open", "reach-shut", kind="service")
    cluster.delete("reach", kind="router")
    cluster.delete("open", "shut", kind="osg")
    cluster.delete("left", "right", "reach", kind="onet")
    cluster.kubectl("delete", "namespace", OTHER, "--timeout=120s", timeout=150)
