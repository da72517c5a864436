"""Secret and configuration, against an API server in memory."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orlop_operator.errors import AlreadyExistsError, ConflictError, NotFoundError
from orlop_operator.webhook_trust import Trust, serving_context

MATERIAL = "/api/v1/namespaces/orlop-system/secrets/orlop-webhook-certificate"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/orlop"


class Memory:
    """Just the four calls."""

    def __init__(self) -> None:
        hooks = [{"name": name, "clientConfig": {"service": {}}} for name in ("create", "update")]
        self.objects: dict[str, dict[str, Any]] = {CONFIGURATION: {"webhooks": hooks}}
        self.writes: list[str] = []
        self.faster: dict[str, Any] | None = None

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, content_type: str = ""
    ) -> dict[str, Any]:
        if method == "GET":
            if path not in self.objects:
                raise NotFoundError(path)
            return self.objects[path]
        assert body is not None
        if self.faster is not None:
            self.objects[MATERIAL], self.faster = self.faster, None
            raise AlreadyExistsError(path) if method == "POST" else ConflictError(path)
        self.writes.append(f"{method} {path}")
        if method == "POST":
            self.objects[MATERIAL] = {**body, "metadata": {"uid": "u", "resourceVersion": "1"}}
        elif path == MATERIAL:
            assert body["metadata"] == {"uid": "u", "resourceVersion": "1"}
            self.objects[MATERIAL]["data"] = body["data"]
        else:
            assert content_type == "application/strategic-merge-patch+json"
            new = {hook["name"]: hook["clientConfig"] for hook in body["webhooks"]}
            for hook in self.objects[path]["webhooks"]:
                hook["clientConfig"].update(new.get(hook["name"], {}))
        return self.objects.get(path, {})

    def told(self) -> set[str]:
        return {hook["clientConfig"].get("caBundle", "") for hook in self.objects[CONFIGURATION]["webhooks"]}


@pytest.fixture
def api() -> Memory:
    return Memory()


def trust(api: Memory, later: timedelta = timedelta()) -> Trust:
    return Trust(api, serving_context(), lambda: datetime(2026, 1, 1, tzinfo=UTC) + later)


async def test_makes_it_tells_it_and_serves_it(api: Memory) -> None:
    one = trust(api)
    await one.check()
    assert one.established
    assert api.told() == {api.objects[MATERIAL]["data"]["ca.crt"]}
    assert len(api.writes) == 2
    await one.check()
    assert len(api.writes) == 2, "nothing changed, nothing is written"


async def test_two_replicas_serve_the_same(api: Memory) -> None:
    await trust(api).check()
    made = api.objects.pop(MATERIAL)
    api.faster = made
    slow = trust(api)
    await slow.check()
    assert not slow.established
    await slow.check()
    assert slow.established
    assert api.objects[MATERIAL] is made


async def test_a_renewal_that_another_did_first_is_taken_over(api: Memory) -> None:
    one = trust(api)
    await one.check()
    late = trust(api, timedelta(days=80))
    api.faster = api.objects[MATERIAL]
    await late.check()
    assert not late.established
    await late.check()
    assert late.established


async def test_a_configuration_that_lost_its_bundle_gets_it_back(api: Memory) -> None:
    one = trust(api)
    await one.check()
    for hook in api.objects[CONFIGURATION]["webhooks"]:
        del hook["clientConfig"]["caBundle"]
    await one.check()
    assert {base64.b64decode(bundle)[:10] for bundle in api.told()} == {b"-----BEGIN"}


async def test_without_a_configuration_nothing_is_established(api: Memory) -> None:
    api.objects.pop(CONFIGURATION)
    one = trust(api)
    with pytest.raises(NotFoundError):
        await one.check()
    assert not one.established
