"""Facts for the plan of an Image, from the store. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_operator.kinds import HYPERVISOR, IMAGE, NODE
from orlop_operator.reconcile.copies import holdings
from orlop_operator.reconcile.gather import Context, Look, peers
from orlop_operator.reconcile.gather_quota import stands
from orlop_operator.reconcile.hypervisor import wanted
from orlop_operator.reconcile.image import ImageFacts
from orlop_operator.reconcile.imports import Logins
from orlop_operator.reconcile.prepull import Nodes
from orlop_operator.reconcile.rights import of_image
from orlop_operator.store import Key

FailedFor = Callable[[Image, Iterable[Hypervisor]], Mapping[int, float]]
"""Seconds since the failure of each generation of its order was first seen."""


def image_facts(context: Context, key: Key, look: Look, failed_for: FailedFor) -> ImageFacts | None:
    """All about an Image."""
    image = context.store.get(IMAGE, key.namespace, key.name)
    if image is None:
        return None
    hosts = tuple(context.store.all(HYPERVISOR))
    found = (context.store.get(NODE, "", host.metadata.name) for host in hosts)
    logins = Logins(look.secrets, context.reviews.of(of_image(image)))
    nodes = Nodes(
        hosts,
        {node.metadata.name: node.metadata.labels for node in found if wanted(node) and node is not None},
        lambda digest, node: peers(context, digest, node, f"{image.metadata.uid}/{node}"),
        logins,
    )
    orders = (order for host in hosts for order in host.spec.imports)
    owners = (context.store.by_uid(order.image_uid) for order in orders)
    held = sum(owner is not None and owner.namespace == key.namespace for owner in owners)
    origin = holdings(context.store, image)
    failed, standing = failed_for(image, hosts), stands(context.store, context.verdicts, image)
    return ImageFacts(image, context.now(), hosts, nodes, failed, logins, held, origin, standing)
