"""The physical network that a VLAN or Bridge Network is on: whose it is, and what nodes have of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from orlop_api.claim import Claim, ClaimType, lan_claim
from orlop_api.network import Network, Segment, SegmentType
from orlop_operator.reconcile.effects import Body
from orlop_operator.reconcile.holding import Holder, claim_body
from orlop_operator.reconcile.instance.facts import Blocker, several
from orlop_operator.scheduling import Host, PhysicalNeed, why_not

USUAL_MTU = 1500
"""Of Ethernet; what is assumed while no node has said its own."""


def claim_name(network: Network) -> str:
    """Name of the Claim that says whose the VLAN is, or what is untagged."""
    segment = network.spec.segment
    return lan_claim(segment.physical_network or "", segment.vlan_id)


def where(segment: Segment) -> str:
    """How sentences name it: `VLAN 100 of physical network trunk`."""
    what = f"VLAN {segment.vlan_id}" if segment.vlan_id is not None else "what is untagged"
    return f"{what} of physical network {segment.physical_network}"


def claimed(network: Network, claim: Claim | None) -> Body | Blocker | None:
    """The Claim to make; or who has it; None where this Network does."""
    meta, segment = network.metadata, network.spec.segment
    if claim is None:
        value = f"{segment.physical_network}/{segment.vlan_id or 'untagged'}"
        holder = Holder(meta.namespace, meta.name, meta.uid)
        return claim_body(claim_name(network), ClaimType.LAN, value, meta.uid, holder)
    if claim.spec.holder.uid == meta.uid:
        return None
    other = claim.spec.holder
    whose = (
        f"Network {other.namespace}/{other.name}" if other.namespace == meta.namespace else "another Network"
    )
    free = "another vlanID" if segment.vlan_id is not None else "a VLAN of it"
    return Blocker("VLANInUse", f"{where(segment)} is {whose}'s until that is deleted; take {free}")


def mtu(network: Network, hosts: Iterable[Host], *, has_ports: bool) -> int:
    """What was asked for, or all nodes that can have its guests can do. What guests were told stays."""
    known = network.status.mtu if network.status is not None and has_ports else None
    wanted, name = need(network, 0), network.spec.segment.physical_network
    found = [host.physical[name].mtu for host in hosts if wanted and name and why_not(wanted, host) is None]
    return network.spec.mtu or known or max(576, min(9000, *found) if found else USUAL_MTU)


def need(network: Network, in_force: int | None = None) -> PhysicalNeed | None:
    """What a node must have to run its guests; None of an overlay."""
    segment, status = network.spec.segment, network.status
    if not network.is_on_physical or segment.physical_network is None:
        return None
    if in_force is None:
        in_force = (status.mtu if status is not None else None) or USUAL_MTU
    return PhysicalNeed(
        segment.physical_network,
        in_force,
        segment.type is SegmentType.BRIDGE,
        tuple(sorted(segment.node_selector.items())),
    )


def said(network: Network, hosts: Iterable[Host], in_force: int) -> str:
    """For condition Ready: which nodes can have its guests, and why others that are there cannot."""
    segment, wanted = network.spec.segment, need(network, in_force)
    able: list[str] = []
    others: defaultdict[str, list[str]] = defaultdict(list)
    for host in hosts:
        reason = why_not(wanted, host) if wanted is not None else None
        if reason is None:
            able.append(host.name)
        elif segment.physical_network in host.physical:
            others[reason].append(host.name)
    nodes = f"its guests can be on {several(able)}"
    if not able:
        nodes = "no node can have its guests"
    if not able and not others:
        nodes = "no node has it yet: its name in node.physicalNetworks of orlop-config leads to no interface"
    why = (f"{len(names)} {reason} ({several(names)})" for reason, names in sorted(others.items()))
    return "; ".join([f"{where(segment)}, MTU {in_force}", nodes, *why])
