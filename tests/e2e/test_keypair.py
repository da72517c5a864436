"""A public key comes to the guest in its seed."""

import pytest

from orlop_cluster.lab import until
from support.bad_keys import ED25519
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e


def test_a_guest_finds_the_key_in_its_seed(cluster):
    refs = [{"name": "me"}]
    script = {"inline": "#!/bin/sh\ncat /run/seed/meta-data\necho READ\n"}
    cluster.apply(cluster.instance("shell", keyPairRefs=refs, userData=script))
    cluster.kubectl(
        "wait", "inst/shell", "--namespace", NAMESPACE, "--timeout=60s",
        "--for=jsonpath={.status.message}=KeyPair e2e/me does not exist",
    )  # fmt: skip
    cluster.apply(cluster.object("KeyPair", "me", {"publicKey": f"ssh-ed25519 {ED25519} me@x"}))
    cluster.wait("keypair/me", namespace=NAMESPACE)
    cluster.wait("inst/shell", namespace=NAMESPACE, seconds=240)
    shell = cluster.get("inst", "shell", NAMESPACE)
    console = until(lambda: cluster.console(shell), lambda text: "READ" in text.replace("READY", ""), 180)
    assert f'"public-keys": ["ssh-ed25519 {ED25519} me@x"]' in console
    assert "SHA256:" in cluster.get("keypair", "me", NAMESPACE)["status"]["fingerprint"]
    cluster.delete("shell")
    cluster.delete("me", kind="keypair")
