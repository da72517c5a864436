"""The scheduler once more, in the plainest words: object by object, no columns, nothing remembered.

Written from docs/explanation/scheduling.md. It is what the real one is compared with, and what a decision costs without
columns.
"""

from orlop_operator.scheduling import Usage
from support.naive_terms import holds, tolerated


def choose(request, hosts, held, failed=(), busy=()):
    """Names of the hosts that may have it, the best first; `held` are pairs of node and what, the others nodes."""
    own = [(node, Usage(disk=-size)) for node, size in request.held.items()]
    held = [*held, *own]
    good = [host for host in hosts if fits(request, host, free(host, held))]
    return [
        host.name
        for host in sorted(
            good, key=lambda host: (-score(request, host, free(host, held), failed, busy), host.name)
        )
    ]


def free(host, held):
    """vCPUs, memory and disk that nobody has."""
    mine = [usage for node, usage in held if node == host.name]
    whole = host.capacity
    return (
        whole.vcpus - sum(usage.vcpus for usage in mine),
        whole.memory - sum(usage.memory for usage in mine),
        whole.disk - sum(usage.disk for usage in mine),
    )


def fits(request, host, left):
    """All filters of the page, in its order."""
    if not host.ready or host.disabled is not None or host.cordoned:
        return False
    for pin in request.pins:
        if pin.node != host.name or (pin.pool_id is not None and pin.pool_id != host.pool_id):
            return False
    for need in request.pools:
        if need.name not in host.shared_pools:
            return False
        if need.pool_id is not None and host.shared_pools[need.name] != need.pool_id:
            return False
    for need in request.physical:
        there = host.physical.get(need.name)
        if there is None or there.mtu < need.mtu or (need.bridge and not there.bridge):
            return False
        if any(host.labels.get(key) != value for key, value in need.node_selector):
            return False
    if request.zone is not None and host.labels.get("topology.kubernetes.io/zone") != request.zone:
        return False
    for need in request.aggregates:
        if need.labels is None or any(host.labels.get(key) != value for key, value in need.labels):
            return False
    for key, value in request.node_selector.items():
        if host.labels.get(key) != value:
            return False
    if request.affinity is not None and not any(holds(term, host) for term in request.affinity):
        return False
    for taint in host.taints:
        if taint.effect != "PreferNoSchedule" and not tolerated(taint, request.tolerations):
            return False
    if request.architecture is not None and host.architecture != request.architecture:
        return False
    if not equipped(request.hardware, host.hardware):
        return False
    if request.ipv6_alone and "IPv6" not in host.nic_families:
        return False
    if request.image is not None and request.not_given and request.image not in host.images:
        return False
    if host.name in request.excluded:
        return False
    return all(not need or need <= have for need, have in zip(wants(request), left, strict=True))


def equipped(need, offer):
    """Whether a host that offers this, or whose agent does not say, can have the guest."""
    if not (need.machine_type or need.uefi or need.tpm or need.cpu_model or need.cpu_features):
        return True
    if offer is None:
        return False
    if need.machine_type and need.machine_type not in offer.machine_types:
        return False
    if need.uefi and "UEFI" not in offer.firmwares:
        return False
    if need.tpm and need.tpm not in offer.tpm_versions:
        return False
    if need.cpu_model and need.cpu_model not in offer.cpu_models:
        return False
    return all(name in offer.cpu_features for name in need.cpu_features)


def score(request, host, left, failed=(), busy=()):
    """All weights of the page, in its order; each counts once."""
    shares = []
    for have, need, whole in zip(left, wants(request), whole_of(host), strict=True):
        shares.append((have - need) / whole if whole else 0.0)
    total = min(shares)
    if request.image is not None and request.image in host.images:
        total += 0.02
    if any(t.effect == "PreferNoSchedule" and not tolerated(t, request.tolerations) for t in host.taints):
        total += -6.0
    asked = sum(each.weight for each in request.preferred)
    if asked:
        total += sum(each.weight for each in request.preferred if holds(each.term, host)) / asked
    blamed = -min(0.1 * sum(node == host.name for node in failed), 0.5)
    total += blamed - 0.5 if host.name in request.failed else blamed
    total -= min(0.01 * sum(node == host.name for node in busy), 0.1)
    return total + host.weight


def wants(request):
    return request.vcpus, request.memory, request.disk


def whole_of(host):
    return host.capacity.vcpus, host.capacity.memory, host.capacity.disk
