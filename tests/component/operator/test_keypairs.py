"""KeyPairs: read, waited for, and the Instance's own from then on."""

import pytest

from support import wishes
from support.bad_keys import ED25519
from support.prepared import tenant
from support.scripted import Api, RefusedError, ScriptedAgent

pytestmark = pytest.mark.component
Agents = dict[str, ScriptedAgent]
KEY = f"ssh-ed25519 {ED25519} me@x"


def key_pair(namespace: str, name: str, text: str = KEY) -> wishes.Body:
    return wishes.thing("KeyPair", namespace, name, {"publicKey": text}, finalizer=False)


async def test_a_key_is_read_and_told_to_the_node(user: Api, agents: Agents) -> None:
    it = await tenant(user, "keys")
    refs = [{"name": "me"}, {"name": "you"}]
    await it.make("keypairs", key_pair("keys", "me"))
    read = (await it.ready("me", "keypairs"))["status"]
    assert read["type"] == "ssh-ed25519"
    assert read["fingerprint"].startswith("SHA256:")
    assert len(read["fingerprint"]) == 50

    await it.make("instances", wishes.instance("keys", "web", keyPairRefs=refs))
    assert await it.because("web", "KeyPairNotFound") == "KeyPair keys/you does not exist"
    await it.make("keypairs", key_pair("keys", "you", f"ssh-ed25519 {ED25519} you@x"))
    web = await it.ready("web")
    order = await it.assignment(web["metadata"]["uid"])
    told = [
        {"name": "me", "publicKey": KEY},
        {"name": "you", "publicKey": f"ssh-ed25519 {ED25519} you@x"},
    ]
    assert order["spec"]["publicKeys"] == told

    # It keeps them, whatever becomes of the KeyPairs.
    for name in ("me", "you"):
        await user.call("DELETE", f"{it.path('keypairs')}/{name}")
    await it.change("web", powerState="Stopped")
    await it.change("web", powerState="Running")
    assert (await it.assignment(web["metadata"]["uid"]))["spec"]["publicKeys"] == told
    with pytest.raises(RefusedError, match="keyPairRefs is immutable: create another Instance"):
        await it.change("web", keyPairRefs=[])


async def test_a_key_that_only_looks_like_one_says_so(user: Api, agents: Agents) -> None:
    it = await tenant(user, "odd-keys")
    await it.make("keypairs", key_pair("odd-keys", "short", f"ssh-ed25519 {ED25519[:40]}"))
    message = await it.because("short", "InvalidKey", "keypairs")
    assert message.startswith("spec.publicKey cannot be used: the key in it is cut off")
    await it.make("instances", wishes.instance("odd-keys", "web", keyPairRefs=[{"name": "short"}]))
    assert (await it.because("web", "KeyPairInvalid")).startswith("KeyPair odd-keys/short cannot be used: ")
