"""An InstanceGroup, nodes that come and go, and two operators that know it all late: real plans, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from orlop_api.hypervisor import Hypervisor
from orlop_operator.kinds import INSTANCE_GROUP
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance_group import group_facts, plan_instance_group
from orlop_operator.scheduling import Host, Usage, place
from orlop_operator.scheduling import World as Hosts
from orlop_operator.store import Key
from support import wishes
from support.racing import NOW, Body, Place, World
from support.replica import Operator

ROOM = Usage(1000, 1 << 50, 1 << 50)
NODES = ("n0", "n1", "n2")
GROUP = ("InstanceGroup", "demo", "web")


class Grouped(World):
    """One group that all Instances are in."""

    def __init__(self, policy: str, most: int | None) -> None:
        super().__init__({"instances": 100}, "Counted")
        # Nothing is to wait for the Quota here.
        self.delete(("Quota", "demo", "default"))
        spec = {"policy": policy} | ({"maxPerDomain": most} if most is not None else {})
        self.create("InstanceGroup", wishes.thing("InstanceGroup", "demo", "web", spec))
        self.policy, self.most = policy, most or 1
        self.open = set(NODES)
        """Nodes that take something new, as every operator sees at once."""

    def asks(self, name: str, flavor: str = "small") -> None:
        placement = {"groupRef": {"name": "web"}}
        made = wishes.instance("demo", name, flavorName=flavor, networks=[], placement=placement)
        self.create("Instance", made)

    def node_refuses(self, at: Place) -> None:
        """The agent takes nothing that it has not begun."""
        order = self.objects[at]
        spec, status = order["spec"], order.get("status", {})
        if spec.get("nodeName") is not None and status.get("epoch") != spec["epoch"]:
            answer = {"epoch": spec["epoch"], "state": "Refused", "rootDisk": "Absent"}
            self.write(at, {"status": answer}, seen=order, status=True)

    def homes(self) -> dict[str, str]:
        """Instance to the node that may run it at any moment, whatever anybody believes."""
        found = {}
        for at in self.orders():
            spec, status = self.objects[at]["spec"], self.objects[at].get("status", {})
            over = status.get("epoch") == spec["epoch"] and status["state"] in {"Released", "Refused"}
            if spec.get("nodeName") is not None and not over:
                found[at[2]] = spec["nodeName"]
        return found

    def is_kept(self) -> bool:
        """What the group promises."""
        homes = Counter(self.homes().values())
        return len(homes) <= 1 if self.policy == "Affinity" else max(homes.values(), default=0) <= self.most

    def members(self) -> list[Body]:
        found: list[Body] = self.objects[GROUP].get("status", {}).get("members", [])
        return found


class Placing(Operator):
    """Chooses among the nodes that are open, and likes another one best than its fellow does."""

    def __init__(self, world: Grouped, favourite: int) -> None:
        super().__init__(world)
        self._grouped, self._favourite = world, favourite

    def _choosing(self, facts: Facts) -> Facts:
        hosts = Hosts(
            Host(node, ROOM, cordoned=node not in self._grouped.open, weight=float(number == self._favourite))
            for number, node in enumerate(NODES)
        )
        return replace(
            super()._choosing(facts),
            place=lambda request: place(request, hosts),
            domain=lambda node, _: node,
            hypervisor=_hypervisor,
            companions=dict,
        )

    def group_look(self) -> Iterator[None]:
        """As `look_at_instance_group`."""
        group = self._store.get(INSTANCE_GROUP, "demo", "web")
        gone = set()
        for member in group.status.members if group is not None and group.status is not None else ():
            if self._store.by_uid(member.uid) is not None:
                continue
            found = self._read(("Instance", "demo", member.name))
            yield
            if found is not None and found.metadata.uid == member.uid:
                continue
            order = self._read(("Assignment", "orlop-assignments", member.uid))
            yield
            if order is None:
                gone.add(member.uid)
        facts = group_facts(self._store, Key(*GROUP), NOW, gone)
        for effect in plan_instance_group(facts).effects if facts is not None else ():
            yield
            self._do(effect, set())


def _hypervisor(name: str) -> Hypervisor:
    return Hypervisor.model_validate(
        {"metadata": {"name": name}, "spec": {}, "status": {"poolID": f"p-{name}"}}
    )
