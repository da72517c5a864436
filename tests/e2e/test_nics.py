"""A NIC of a real guest comes while it runs, has traffic and goes, also while its agent is killed; the first one never
notices."""

import re

import pytest

from orlop_cluster.lab import until
from support.killing import kill, works_again
from support.lab import NAMESPACE
from support.leftovers import cluster_state, left, node_state

pytestmark = [pytest.mark.e2e, pytest.mark.disruptive, pytest.mark.timeout(900)]
SECOND = "10.63.0"
# tiny asks for an address on the cards that it finds at its start; a guest with a network daemon does by itself.
SCRIPT = f"""#!/bin/sh
( n=0; while :; do
    n=$((n+1)); ping -c 1 -W 5 10.20.0.1 >/dev/null 2>&1 || echo "LOST $n"
    [ $((n % 10)) = 0 ] && echo "ALIVE $n"; sleep 0.3
done ) &
while :; do
    while [ ! -e /sys/class/net/eth1 ]; do sleep 0.3; done
    echo "CAME $(cat /sys/class/net/eth1/address)"
    ip link set eth1 up
    udhcpc -q -n -i eth1 -t 20 -T 1 -O mtu >/dev/null 2>&1
    echo "TOLD $(cat /run/dhcp/eth1.address) $(ls /sys/class/net | tr '\\n' ' ')"
    n=0; while [ -e /sys/class/net/eth1 ]; do
        ping -c 1 -W 2 {SECOND}.50 >/dev/null 2>&1 && n=$((n+1)) && echo "HEARD $n"; sleep 0.5
    done
    echo "WENT $n"
done
"""


def nic(name, network, **more):
    return {"name": name, "networkRef": {"name": network}, **more}


def said(cluster, instance, word, count=1):
    """What follows a word on the console, once it was said so often."""
    console = until(
        lambda: cluster.console(instance).replace("\r", ""),
        lambda text: text.count(f"user-data: {word}") >= count,
        120,
    )
    return re.findall(rf"user-data: {word} ?(.*)", console)


def attached(cluster, guest):
    """What is at the guest by its node's hypervisor: MAC addresses, sorted."""
    domain = cluster.on_node(
        guest["status"]["nodeName"], "virsh", "domiflist", f"orlop-{guest['metadata']['uid']}"
    )
    return sorted(line.split()[-1] for line in domain.splitlines() if "tap" in line)


def came(cluster, guest, time):
    """A second NIC has come for the `time`th time, with the address and MAC address that the Instance says."""
    (*_, mac) = said(cluster, guest, "CAME", time)
    (*_, told) = said(cluster, guest, "TOLD", time)
    first, second = until(
        lambda: cluster.get("inst", "plugged", NAMESPACE)["status"]["addresses"], lambda s: len(s) == 2, 60
    )
    assert first == guest["status"]["addresses"][0], "the first NIC stays what it is"
    assert (second["mac"], second["ip"]) == (mac, told.split()[0])
    assert told.split()[1:] == ["eth0", "eth1", "lo"]
    assert attached(cluster, guest) == sorted([first["mac"], mac])
    port = cluster.get("ports.orlop.dev", "plugged-eth1", NAMESPACE)["status"]
    assert (port["macAddress"], port["addresses"]) == (mac, [second["ip"]])
    heard(cluster, guest)
    cluster.wait("inst/plugged", namespace=NAMESPACE)


def heard(cluster, guest):
    """The partner's answers come through the second NIC: three more than there are now."""
    said(cluster, guest, "HEARD", len(said(cluster, guest, "HEARD", 0)) + 3)


def test_a_nic_comes_has_traffic_and_goes_while_the_guest_runs(cluster):
    subnet = {"name": "v4", "cidr": f"{SECOND}.0/24"}
    cluster.apply(cluster.object("Network", "second", {"subnets": [subnet]}))
    cluster.wait("onet/second", namespace=NAMESPACE)
    node, other = cluster.workers
    cluster.apply(
        cluster.placed("partner", other, {"networkRef": {"name": "second"}, "address": f"{SECOND}.50"})
    )
    cluster.wait("inst/partner", namespace=NAMESPACE, seconds=240)
    cluster.booted(cluster.get("inst", "partner", NAMESPACE))
    without = cluster_state(cluster), node_state(cluster)
    cluster.apply(cluster.placed("plugged", node, {"networkRef": {"name": "blue"}}, SCRIPT))
    cluster.wait("inst/plugged", namespace=NAMESPACE, seconds=240)
    guest = cluster.get("inst", "plugged", NAMESPACE)
    said(cluster, guest, "ALIVE")
    alone = cluster_state(cluster), node_state(cluster)

    # It comes, outlives its agent, and goes while there is none.
    cluster.patch("plugged", {"networks": [nic("eth0", "blue"), nic("eth1", "second")]})
    came(cluster, guest, 1)
    kill(cluster, node)
    heard(cluster, guest)
    works_again(cluster, node)
    heard(cluster, guest)
    kill(cluster, node)
    cluster.patch("plugged", {"networks": [nic("eth0", "blue")]})
    said(cluster, guest, "WENT")
    works_again(cluster, node)
    until(lambda: cluster_state(cluster), lambda state: state == alone[0], 60)
    assert left(cluster, alone[1]) == []
    assert attached(cluster, guest) == [guest["status"]["addresses"][0]["mac"]]
    cluster.wait("inst/plugged", namespace=NAMESPACE)
    now = cluster.get("inst", "plugged", NAMESPACE)["status"]
    assert (now["addresses"], now["domain"]) == (guest["status"]["addresses"], guest["status"]["domain"])

    # It comes again while the agent is killed, and is there when its Instance is deleted.
    cluster.patch("plugged", {"networks": [nic("eth0", "blue"), nic("eth1", "second")]})
    kill(cluster, node)
    came(cluster, guest, 2)
    works_again(cluster, node)
    said(cluster, guest, "ALIVE", len(said(cluster, guest, "ALIVE")) + 1)
    console = cluster.console(guest)
    assert "LOST" not in console
    assert console.count("ORLOP-READY") == 1, "one start"
    cluster.delete("plugged")
    until(lambda: cluster_state(cluster), lambda state: state == without[0], 60)
    assert left(cluster, without[1]) == []

    cluster.delete("partner")
    cluster.delete("second", kind="onet")
