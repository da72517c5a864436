"""Facts on Services that lead to Instances, from the store."""

from __future__ import annotations

from datetime import datetime

from orlop_api.condition import is_true
from orlop_api.instance import Instance
from orlop_api.placement import selects
from orlop_operator.kinds import FLOATING_IP, INSTANCE, PORT, SERVICE
from orlop_operator.reconcile.effects import Plan
from orlop_operator.reconcile.service import Backend, plan_service
from orlop_operator.service import Service, asks, selector
from orlop_operator.store import Key, Store


def look_at_service(store: Store, key: Key, _now: datetime) -> Plan | None:
    """What it wants; None where it does not exist."""
    service = store.get(SERVICE, key.namespace, key.name)
    return plan_service(service, _backends(store, service)) if service is not None else None


def services_for(store: Store, instance: Instance) -> list[Key]:
    """Services that lead to an Instance with these labels, or cannot say where they lead."""
    meta = instance.metadata
    return [
        Key(SERVICE.name, meta.namespace, service.metadata.name)
        for service in services_in(store, meta.namespace)
        if selects(_wanted(service).items(), meta.labels)
    ]


def services_in(store: Store, namespace: str) -> list[Service]:
    """Services of a namespace that lead to Instances."""
    return [each for each in store.within(SERVICE, namespace) if asks(each)]


def _wanted(service: Service) -> dict[str, str]:
    try:
        return selector(service)
    except ValueError:
        return {"": ""}  # no label has this name


def _backends(store: Store, service: Service) -> list[Backend]:
    if not asks(service):
        return []
    namespace, wanted = service.metadata.namespace, _wanted(service)
    addresses = _addresses(store, namespace)
    return [
        Backend(
            name=instance.metadata.name,
            uid=instance.metadata.uid,
            address=addresses.get(instance.metadata.uid),
            node=instance.status.node_name if instance.status else None,
            is_ready=instance.status is not None and is_true(instance.status.conditions, "Ready"),
            is_ending=instance.metadata.deleting,
        )
        for instance in store.within(INSTANCE, namespace)
        if selects(wanted.items(), instance.metadata.labels)
    ]


def _addresses(store: Store, namespace: str) -> dict[str, str]:
    """The floating address of each Instance that has one, by its uid; of several the first by name."""
    found: dict[str, str] = {}
    for floating in sorted(store.within(FLOATING_IP, namespace), key=lambda each: each.metadata.name):
        status = floating.status
        if status is None or status.address is None or status.target is None or floating.metadata.deleting:
            continue
        port = store.get(PORT, namespace, status.target.name)
        binding = port.status.binding if port is not None and port.status is not None else None
        if binding is not None:
            found.setdefault(binding.instance_uid, status.address)
    return found
