"""A tenant's namespace with what an Instance needs, and the questions that operator tests ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support import wishes
from support.apiserver import ApiServer
from support.audit import WRITES, Call, calls
from support.scripted import ASSIGNMENTS, ORLOP, Api, RefusedError

Body = dict[str, Any]


@dataclass(frozen=True)
class Tenant:
    """One namespace, and its administrator."""

    api: Api
    namespace: str

    def path(self, plural: str) -> str:
        """Where objects of a kind are."""
        return f"{ORLOP}/namespaces/{self.namespace}/{plural}"

    async def make(self, plural: str, body: Body) -> Body:
        """Create; cluster-wide kinds may be there already."""
        if "namespace" in body["metadata"]:
            return await self.api.call("POST", self.path(plural), body)
        try:
            return await self.api.call("POST", f"{ORLOP}/{plural}", body)
        except RefusedError as error:
            if error.status != 409:
                raise
            return body

    async def boot(self, name: str, **spec: Any) -> Body:
        """Create an Instance and wait until it is Ready."""
        await self.make("instances", wishes.instance(self.namespace, name, **spec))
        return await self.ready(name)

    async def ready(self, name: str, plural: str = "instances") -> Body:
        """Wait until it is Ready for its present generation."""
        thing = await self.api.until(self.path(plural), name, wishes.is_ready)
        assert thing is not None
        return thing

    async def because(self, name: str, reason: str, plural: str = "instances", kind: str = "Ready") -> str:
        """Wait for this reason of a condition, for the present generation; returns the message."""
        thing = await self.api.until(self.path(plural), name, lambda t: wishes.is_because(t, kind, reason))
        message: str = wishes.condition(thing, kind)["message"]
        return message

    async def change(self, name: str, plural: str = "instances", **spec: Any) -> Body:
        """Patch the spec."""
        return await self.api.call("PATCH", f"{self.path(plural)}/{name}", {"spec": spec})

    async def delete(self, name: str, plural: str = "instances") -> None:
        """Delete and wait until it is gone."""
        await self.api.call("DELETE", f"{self.path(plural)}/{name}")
        await self.api.until(self.path(plural), name, lambda thing: thing is None)

    async def assignment(self, uid: str) -> Body:
        """The Assignment of an Instance."""
        return await self.api.call("GET", f"{ASSIGNMENTS}/{uid}")

    async def left_of(self, uid: str, network_uid: str = "") -> list[str]:
        """Everything in the cluster that an Instance may have left; an address that was freed is nobody's."""
        found = []
        for path in (
            ASSIGNMENTS,
            self.path("ports"),
            f"{ORLOP}/namespaces/orlop-system/claims",
            "/api/v1/secrets",
        ):
            items = (await self.api.call("GET", path))["items"]
            its = [item for item in items if uid in str(item) and not _is_freed(item)]
            found += [f"{path} {item['metadata']['name']}" for item in its]
        return found


def _is_freed(thing: Body) -> bool:
    return thing.get("kind") == "Claim" and "quarantinedUntil" in thing["spec"]


async def tenant(api: Api, namespace: str, *, image: bool = True, network: bool = True) -> Tenant:
    """A namespace with a Flavor, and an Image and a Network that are Ready."""
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = Tenant(api, namespace)
    await made.make("flavors", wishes.flavor())
    await made.make("volumeclasses", wishes.volume_class())
    if image:
        await made.make("images", wishes.image(namespace))
        await made.ready("tiny", "images")
    if network:
        await made.make("networks", wishes.network(namespace))
        await made.ready("blue", "networks")
    return made


def writes(server: ApiServer, namespace: str, name: str, uid: str) -> list[Call]:
    """Successful writes of operator and agents that were for this one Instance.

    Claims are named after addresses: give the Instance its own Network, whose uid is in their names.
    """
    return [call for call in asked(server, namespace, name, uid) if call.verb in WRITES and call.code < 300]


def asked(server: ApiServer, namespace: str, name: str, uid: str, *, since: float = 0.0) -> list[Call]:
    """All that operator and agents asked for, whatever the answer."""
    return [
        call
        for call in calls((server.directory / "audit.log").read_text())
        if call.received >= since
        and call.user.startswith("system:serviceaccount:orlop-")
        and ((call.namespace == namespace and call.name.startswith(name)) or uid in call.name)
    ]
