"""The NICs: Network, address, MAC address and Port of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orlop_api.assigned_ipv6 import AssignedIpv6
from orlop_api.assigned_physical import AssignedPhysical
from orlop_api.assignment import AssignedNic
from orlop_api.condition import Condition, find, is_true
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import FINALIZER, Instance
from orlop_api.network import Ipv6Mode, Network
from orlop_api.resource import API_VERSION
from orlop_api.security_group import AssignedSecurity
from orlop_api.subnet_options import AssignedRoute
from orlop_operator.ipam import gateway
from orlop_operator.ipam6 import gateway6, subnet4, subnet6
from orlop_operator.kinds import PORT, OwnedPort
from orlop_operator.reconcile.addresses import identify
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.effects import Body, Create, Effect, Patch
from orlop_operator.reconcile.guarding import in_force
from orlop_operator.reconcile.holding import Holder, Identity, Taken
from orlop_operator.reconcile.instance.facts import Blocker, Facts, NicFacts, external, named
from orlop_operator.reconcile.port import status_of
from orlop_operator.references import made_port

TYPE = "NetworkReady"
INSTANCE_LABEL = "orlop.dev/instance"


TOO_OLD = "the node's agent knows no Network of IPv6 alone: upgrade it"


def too_old(nic: AssignedNic, node: Hypervisor | None) -> bool:
    """Whether the node's agent could not read an order with this NIC."""
    families = node.status.nic_families if node is not None and node.status is not None else []
    return not nic.addresses and "IPv6" not in families


@dataclass(frozen=True)
class Wiring:
    """The NICs as the node is told, and what has to be created for them."""

    nics: tuple[AssignedNic, ...] = ()
    creates: tuple[Effect, ...] = ()


def resolve(facts: Facts) -> Wiring | Blocker:
    """All NICs, or the first blocker."""
    nics: list[AssignedNic] = []
    creates: list[Effect] = []
    picked: set[str] = set(facts.claimed)
    for nic in facts.nics:
        found = resolve_one(facts, nic, picked)
        if isinstance(found, Blocker):
            return found
        nics.append(found[0])
        creates += found[1]
    return Wiring(tuple(nics), tuple(creates))


def resolve_one(facts: Facts, nic: NicFacts, picked: set[str]) -> tuple[AssignedNic, list[Effect]] | Blocker:
    """A NIC as the node is told, and what has to be created for it; `picked` are Claims for others, and gets its."""
    network = _network(facts, nic)
    if isinstance(network, Blocker):
        return network
    found = _referred(facts, nic) if nic.nic.port_ref is not None else _made(facts, nic, network, picked)
    if isinstance(found, Blocker):
        return found
    identity, port_name = found
    creates: list[Effect] = [*identity.claiming()]
    picked |= identity.names
    if nic.port is None:
        creates.append(Create(PORT, port_body(facts.instance, nic), facts.instance.metadata.namespace))
    guarded = _guarded(facts, nic)
    if isinstance(guarded, Blocker):
        return guarded
    return _assigned(nic, network, identity, port_name, guarded), creates


def _network(facts: Facts, nic: NicFacts) -> Network | Blocker:
    namespace = facts.instance.metadata.namespace
    if nic.nic.port_ref is not None:
        what = named("Port", namespace, nic.nic.port_ref.name)
        if nic.port is None:
            return Blocker("PortNotFound", f"{what} does not exist")
        if nic.port.metadata.deleting:
            return Blocker("PortNotReady", f"{what} is being deleted")
        name = nic.port.spec.network_ref.name
    elif nic.nic.network_ref is not None:
        name = nic.nic.network_ref.name
    else:
        return Blocker("NetworkNotFound", f"NIC {nic.nic.name} names no Network and no Port")
    what, network = named("Network", namespace, name), nic.network
    if network is None:
        return Blocker("NetworkNotFound", f"{what} does not exist")
    if network.is_external:
        return Blocker("NetworkIsExternal", external(what))
    if network.metadata.deleting:
        return Blocker("NetworkNotReady", f"{what} is being deleted")
    status = network.status
    if status is None or status.segment_id is None or not is_true(status.conditions, "Ready"):
        ready = find(status.conditions, "Ready") if status else None
        return Blocker("NetworkNotReady", f"{what} is not ready{f': {ready.message}' if ready else ''}")
    return network


def _referred(facts: Facts, nic: NicFacts) -> tuple[Identity, str] | Blocker:
    """A Port that a user made: it brings its identity, and is bound to one Instance at a time."""
    port, instance = nic.port, facts.instance
    if port is None:
        raise AssertionError
    what = named("Port", instance.metadata.namespace, port.metadata.name)
    if port.owner_uid not in {None, instance.metadata.uid}:
        return Blocker("PortInUse", f"{what} belongs to another Instance")
    status = port.status
    if (
        status is None
        or not status.addresses
        or status.mac_address is None
        or not is_true(status.conditions, "Ready")
    ):
        ready = find(status.conditions, "Ready") if status else None
        return Blocker("PortNotReady", f"{what} is not ready{f': {ready.message}' if ready else ''}")
    binding = status.binding
    if binding is not None and binding.instance_uid != instance.metadata.uid:
        holder = named("Instance", instance.metadata.namespace, binding.instance_name)
        return Blocker("PortInUse", f"{what} is bound to {holder}")
    first = next((address for address in status.addresses if ":" not in address), None)
    ipv6 = next((address for address in status.addresses if ":" in address), None)
    return Identity(first, status.mac_address, ipv6), port.metadata.name


def _made(facts: Facts, nic: NicFacts, network: Network, picked: set[str]) -> tuple[Identity, str] | Blocker:
    """A Port that Orlop makes: named after Instance and NIC, and gone with the Instance."""
    instance = facts.instance
    name = made_port(instance.metadata.name, nic.nic.name)
    if nic.port is not None and nic.port.owner_uid != instance.metadata.uid:
        what = named("Port", instance.metadata.namespace, name)
        return Blocker("PortInUse", f"{what} exists, and was not made for this Instance")
    holder = Holder(instance.metadata.namespace, name, instance.metadata.uid)
    found = identify(
        network, holder, Taken(nic.claims, picked), address=nic.nic.address, mac=nic.nic.mac_address
    )
    return found if isinstance(found, Blocker) else (found, name)


def _guarded(facts: Facts, nic: NicFacts) -> AssignedSecurity | Blocker:
    """The SecurityGroups that are in force for it."""
    namespace, status = facts.instance.metadata.namespace, nic.port.status if nic.port is not None else None
    known = (status.security_groups if status is not None else None) or ()
    found = in_force(namespace, nic.group_refs, nic.groups, known)
    return found if isinstance(found, Blocker) else AssignedSecurity(namespace=namespace, groups=found)


def unguarded(facts: Facts) -> Condition | None:
    """Why SecurityGroups that a bound Instance lists are not in force; what was in force before still is."""
    blocked = (_guarded(facts, nic) for nic in facts.nics)
    found = next((blocker for blocker in blocked if isinstance(blocker, Blocker)), None)
    return false(TYPE, found.reason, found.message) if found is not None else None


def _assigned(
    nic: NicFacts, network: Network, identity: Identity, port_name: str, guarded: AssignedSecurity
) -> AssignedNic:
    first, told, status = subnet4(network), network.spec.subnets[0], network.status
    if status is None or status.segment_id is None:
        raise AssertionError
    return AssignedNic(
        name=nic.nic.name,
        port_name=port_name,
        network_uid=network.metadata.uid,
        segment_id=status.segment_id,
        physical=_physical(network),
        mac_address=identity.mac,
        addresses=[identity.address] if identity.address is not None else [],
        ipv6=_assigned6(network, identity),
        allowed_address_pairs=nic.port.spec.allowed_address_pairs if nic.port is not None else [],
        cidr=first.cidr if first is not None else None,
        gateway=gateway(first) if first is not None else None,
        dns=first.dns if first is not None else [],
        network_namespace=network.metadata.namespace,
        domain=told.domain,
        search=told.search,
        ntp=told.ntp,
        routes=[AssignedRoute(destination=route.destination, via=route.via) for route in told.routes],
        dhcp=told.dhcp,
        egress=network.spec.egress,
        metadata=network.spec.metadata,
        mtu=status.mtu or 1450,
        security=guarded,
        qos=nic.qos,
    )


def _physical(network: Network) -> AssignedPhysical | None:
    segment = network.spec.segment
    if not network.is_on_physical or segment.physical_network is None:
        return None
    return AssignedPhysical(network=segment.physical_network, vlan_id=segment.vlan_id)


def _assigned6(network: Network, identity: Identity) -> AssignedIpv6 | None:
    subnet = subnet6(network)
    if subnet is None or identity.ipv6 is None:
        return None
    return AssignedIpv6(
        address=identity.ipv6,
        cidr=subnet.cidr,
        gateway=gateway6(subnet),
        dns=subnet.dns,
        mode=subnet.ipv6_mode or Ipv6Mode.DHCPV6,
    )


def port_body(instance: Instance, nic: NicFacts) -> Body:
    """The Port that Orlop makes for a NIC; owned, so that nobody has to wonder whose it is."""
    meta = instance.metadata
    spec: Body = {"networkRef": {"name": nic.nic.network_ref.name if nic.nic.network_ref else ""}}
    if nic.nic.address is not None:
        spec["address"] = nic.nic.address
    if nic.nic.mac_address is not None:
        spec["macAddress"] = nic.nic.mac_address
    owner = {
        "apiVersion": API_VERSION, "kind": "Instance", "name": meta.name, "uid": meta.uid,
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    return {
        "apiVersion": API_VERSION,
        "kind": "Port",
        "metadata": {
            "name": made_port(meta.name, nic.nic.name),
            "namespace": meta.namespace,
            "labels": {INSTANCE_LABEL: meta.name},
            "ownerReferences": [owner],
            "finalizers": [FINALIZER],
        },
        "spec": spec,
    }


def bind_ports(
    facts: Facts,
    nics: Mapping[str, AssignedNic],
    node: str,
    host: Hypervisor | None,
    *,
    made: bool,
    allowed: bool = True,
) -> tuple[Patch[OwnedPort], ...]:
    """Say on each Port who uses it and where, and on one that Orlop `made` also what it is.

    Its SecurityGroups and limits stay where the requester is not `allowed` all that the Instance lists now.
    """
    address = host.status.host_address if host is not None and host.status is not None else None
    if address is None:
        return ()
    instance = facts.instance
    binding = {
        "instanceName": instance.metadata.name,
        "instanceUID": instance.metadata.uid,
        "nodeName": node,
        "hostAddress": address,
    }
    patches = []
    for nic in facts.nics:
        port, assigned = nic.port, nics.get(nic.nic.name)
        if port is None or assigned is None or (port.owner_uid == instance.metadata.uid) is not made:
            continue
        # What applies where nothing is listed is nobody's right to use: it does not wait for that.
        guarded = _guarded(facts, nic) if made and (allowed or not nic.nic.security_group_refs) else None
        if _is_told(port, binding, guarded) and not (made and allowed and _is_limited_otherwise(port, nic)):
            continue
        change: Body = {"binding": binding}
        if made:
            ready = true("Ready", "Bound", f"bound to Instance {instance.metadata.name} on {node}")
            change |= status_of(port, assigned, ready, facts.now)
            if allowed:
                change["qos"] = nic.qos.whole() if nic.qos is not None else None
        if isinstance(guarded, AssignedSecurity):
            change["securityGroups"] = guarded.groups
        patches.append(Patch(PORT, port, {"status": change}, "status"))
    return tuple(patches)


def _is_limited_otherwise(port: OwnedPort, nic: NicFacts) -> bool:
    """Whether the Port says other limits than the Instance by now."""
    return (port.status.qos if port.status is not None else None) != nic.qos


def _is_told(port: OwnedPort, binding: Body, guarded: AssignedSecurity | Blocker | None) -> bool:
    """Whether the Port says already who uses it, and the SecurityGroups in force; none and unknown are the same."""
    status = port.status
    if status is None or status.binding is None or status.binding.wire() != binding:
        return False
    return not isinstance(guarded, AssignedSecurity) or guarded.groups == (status.security_groups or [])
