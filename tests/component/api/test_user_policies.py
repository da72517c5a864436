"""Who asked, and what they may name."""

import json
import secrets

import pytest

from orlop_api.requester import Requester, encode_groups
from support.manifests import Manifest, changed, right
from support.orders import done
from support.policies import OPERATOR, denial
from support.rest import Rest, User
from support.rights import RBAC, Right, bind, grant, wait_for

pytestmark = pytest.mark.component

ALICE = User(
    "alice", ("team, with a comma", 'a "quoted" team', "back\\slash", "b", "b!", "zürich"), uid="a-1"
)
BOB = User("bob")


def annotations(user: User, *more: str) -> dict[str, str]:
    """As the webhook records a user; the API server adds the group of everybody who is logged in."""
    groups = (*user.groups, "system:authenticated", *more)
    return Requester(user.name, user.uid, groups).annotations()


@pytest.fixture(scope="module")
def home(admin: Rest) -> str:
    """A namespace where alice and bob may edit."""
    name = f"home-{secrets.token_hex(3)}"
    done(admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    for user in ("alice", "bob"):
        bind(admin, name, "orlop-editor", user, Right("create", "instances"))
    wait_for(admin, "alice", Right("use", "flavors"))
    return name


@pytest.fixture
def alice(admin: Rest) -> Rest:
    return admin.acting(ALICE)


@pytest.fixture
def bob(admin: Rest) -> Rest:
    return admin.acting(BOB)


def instance(home: str, user: User, **changes: object) -> Manifest:
    made = right("Instance", f"web-{secrets.token_hex(4)}", home)
    made["metadata"]["annotations"] = annotations(user)
    return changed(made, changes)


# The requester


def test_groups_are_recorded_word_for_word(alice: Rest, home: str) -> None:
    """The encoder's sorting and escaping is the policy's."""
    answer = alice.create(instance(home, ALICE))
    done(answer)
    groups = answer.body["metadata"]["annotations"]["orlop.dev/requested-by-groups"]
    assert set(json.loads(groups)) == {*ALICE.groups, "system:authenticated"}


@pytest.mark.parametrize(
    "lie",
    [
        {"orlop.dev/requested-by": "bob"},
        {"orlop.dev/requested-by-uid": "b-1"},
        {"orlop.dev/requested-by-groups": encode_groups((*ALICE.groups, "system:masters"))},
        {"orlop.dev/requested-by-groups": "[]"},
    ],
    ids=["name", "uid", "more groups", "no groups"],
)
def test_nobody_speaks_for_another(alice: Rest, home: str, lie: dict[str, str]) -> None:
    manifest = instance(home, ALICE)
    manifest["metadata"]["annotations"] |= lie
    said = lie.get("orlop.dev/requested-by", "alice")
    assert denial(alice.create(manifest)) == (
        f"the annotations orlop.dev/requested-by… must name the user who writes spec, alice, not {said}"
    )


def test_without_the_webhook_nothing_is_created(alice: Rest, home: str) -> None:
    assert denial(alice.create(right("Instance", "bare", home))) == (
        "the requester is not recorded (annotation orlop.dev/requested-by): the admission webhook did not run"
    )


def test_the_requester_changes_with_the_spec_only(alice: Rest, bob: Rest, home: str) -> None:
    manifest = instance(home, ALICE)
    done(alice.create(manifest))
    stop = {"spec": {"powerState": "Stopped"}}
    assert denial(bob.patch(manifest, stop)) == (
        "the annotations orlop.dev/requested-by… must name the user who writes spec, bob, not alice:"
        " the admission webhook, which records it, did not run"
    )
    only = "the annotations orlop.dev/requested-by… change only with spec, to the user who changes it"
    assert denial(bob.patch(manifest, {"metadata": {"annotations": annotations(BOB)}})) == only
    forgotten = {"metadata": {"annotations": dict.fromkeys(annotations(BOB))}}
    assert denial(alice.patch(manifest, forgotten)) == only
    done(bob.patch(manifest, {"metadata": {"labels": {"seen": "true"}}}))
    done(alice.patch(manifest, stop))
    done(
        bob.patch(
            manifest, {"spec": {"powerState": "Running"}, "metadata": {"annotations": annotations(BOB)}}
        )
    )


def test_whoever_lost_a_right_may_still_stop(admin: Rest, home: str) -> None:
    """To start it again asks anew, and so does to attach a Volume."""
    carol = User(f"carol-{secrets.token_hex(3)}")
    client = admin.acting(carol)
    grant(admin, home, carol.name, Right("patch", "instances"))
    manifest = instance(home, ALICE)
    done(admin.acting(ALICE).create(manifest))
    recorded = {"annotations": annotations(carol)}
    done(client.patch(manifest, {"spec": {"powerState": "Stopped"}, "metadata": recorded}))
    assert denial(client.patch(manifest, {"spec": {"powerState": "Running"}})).startswith(
        "you may not use images"
    )
    listed = {"spec": {"volumes": [{"name": "a", "volumeRef": {"name": "a"}}]}}
    assert denial(client.patch(manifest, listed)) == f"you may not use volumes.orlop.dev {home}/a"


@pytest.mark.parametrize(
    ("kind", "right_to_it", "said"),
    [
        ("Port", Right("use", "networks"), "you may not use networks.orlop.dev {home}/blue"),
        ("Volume", Right("use", "volumeclasses"), "you may not use volumeclasses.orlop.dev local"),
    ],
)
def test_ports_and_volumes_name_only_what_their_maker_may_use(
    admin: Rest, home: str, kind: str, right_to_it: Right, said: str
) -> None:
    name = f"dave-{secrets.token_hex(3)}"
    dave = admin.acting(User(name))
    grant(admin, home, name, Right("create", f"{kind.lower()}s"))
    manifest = right(kind, f"p-{secrets.token_hex(3)}", home)
    if kind == "Port":
        assert denial(dave.create(manifest)) == said.format(home=home)
        grant(admin, home, name, right_to_it)
    # VolumeClasses are for everybody who is logged in, unless the platform team replaces that binding.
    done(dave.create(manifest))


def test_nobody_but_the_operator_makes_a_nodes_namespace(admin: Rest) -> None:
    taken = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"orlop-node-{secrets.token_hex(8)}"},
    }
    assert denial(admin.create(taken)) == (
        "namespaces called orlop-node-… belong to Orlop's nodes, and only its operator may create them"
    )
    done(admin.acting(OPERATOR).create(taken))


def test_a_group_that_cannot_be_recorded(admin: Rest, home: str) -> None:
    """A tab is the one control character that a header can carry."""
    alice = User("alice", ("one\ttwo",))
    client = admin.acting(alice)
    assert denial(client.create(instance(home, alice))) == (
        "the name of one of your groups holds a control character, which cannot be recorded"
    )


# What they may name


def test_edit_may_use_what_is_in_its_namespace(alice: Rest, home: str) -> None:
    nics = [{"name": "eth0", "networkRef": {"name": "blue"}}, {"name": "eth1", "portRef": {"name": "www"}}]
    volumes = [{"name": "data", "volumeRef": {"name": "data"}}]
    done(alice.create(instance(home, ALICE, **{"spec.networks": nics, "spec.volumes": volumes})))


def test_the_longest_lists_cost_no_more_than_a_policy_may(alice: Rest, bob: Rest, home: str) -> None:
    """Asking the authorizer is what CEL counts as dear; 8 NICs, 16 Volumes and a Secret still fit."""
    nics = [{"name": f"eth{n}", "networkRef": {"name": "n" * 60 + str(n)}} for n in range(8)]
    volumes = [{"name": f"v{n}", "volumeRef": {"name": "v" * 60 + str(n)}} for n in range(16)]
    data = {"secretRef": {"name": "boot", "key": "user-data"}}
    spec = {"spec.networks": nics, "spec.volumes": volumes}
    secret = instance(home, ALICE, **spec, **{"spec.userData": data})
    assert denial(alice.create(secret)) == f"you may not get secrets {home}/boot"
    done(alice.create(instance(home, ALICE, **spec, **{"spec.userData": {"inline": "x" * 65536}})))


@pytest.fixture(scope="module")
def visitor(admin: Rest, home: str) -> User:
    """carol may create Instances here, and use nothing but Flavors."""
    for verb in ("create", "patch"):
        grant(admin, home, "carol", Right(verb, "instances"))
    return User("carol")


def test_each_reference_needs_its_right(admin: Rest, visitor: User, home: str) -> None:
    carol = admin.acting(visitor)
    manifest = instance(
        home,
        visitor,
        **{
            "spec.networks": [
                {"name": "eth0", "networkRef": {"name": "blue"}},
                {"name": "eth1", "portRef": {"name": "www"}},
            ],
            "spec.volumes": [{"name": "data", "volumeRef": {"name": "data"}}],
            "spec.userData": {"secretRef": {"name": "boot", "key": "user-data"}},
        },
    )
    for group, resource, name, verb, said in (
        ("orlop.dev", "images", "debian-12", "use", "images.orlop.dev"),
        ("", "secrets", "boot", "get", "secrets"),
        ("orlop.dev", "networks", "blue", "use", "networks.orlop.dev"),
        ("orlop.dev", "ports", "www", "use", "ports.orlop.dev"),
        ("orlop.dev", "volumes", "data", "use", "volumes.orlop.dev"),
    ):
        refusal = denial(carol.create(manifest))
        # Volumes are another policy, and the API server names either.
        first = {f"you may not {verb} {said} {home}/{name}", f"you may not use volumes.orlop.dev {home}/data"}
        assert refusal in first
        grant(admin, home, "carol", Right(verb, resource, name, group))
    done(carol.create(manifest))


def test_an_image_of_another_namespace(admin: Rest, alice: Rest, home: str) -> None:
    other = f"golden-{secrets.token_hex(3)}"
    done(admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}))
    manifest = instance(home, ALICE, **{"spec.boot.imageRef": {"name": "debian-12", "namespace": other}})
    assert denial(alice.create(manifest)) == f"you may not use images.orlop.dev {other}/debian-12"
    grant(admin, other, "alice", Right("use", "images", "debian-12"))
    done(alice.create(manifest))


def test_the_one_that_is_denied_is_named(admin: Rest, visitor: User, home: str) -> None:
    grant(admin, home, "carol", Right("use", "images", "debian-12"))
    grant(admin, home, "carol", Right("use", "networks", "red"))
    carol = admin.acting(visitor)
    networks = [{"name": f"eth{n}", "networkRef": {"name": name}} for n, name in enumerate(("red", "green"))]
    assert denial(carol.create(instance(home, visitor, **{"spec.networks": networks}))) == (
        f"you may not use networks.orlop.dev {home}/green"
    )


def test_a_flavor_that_is_not_for_all(admin: Rest, alice: Rest, home: str) -> None:
    binding = f"{RBAC}/clusterrolebindings/orlop-sizes"
    small = Right("use", "flavors", "small")
    kept = admin.request("GET", binding).body
    done(admin.request("DELETE", binding))
    wait_for(admin, "alice", small, allowed=False)
    try:
        assert denial(alice.create(instance(home, ALICE))) == "you may not use flavors.orlop.dev small"
    finally:
        del kept["metadata"]["resourceVersion"], kept["metadata"]["uid"]
        done(admin.request("POST", binding.rpartition("/")[0], kept))
        wait_for(admin, "alice", small)


def test_labels_are_nobodys_references(admin: Rest, alice: Rest, visitor: User, home: str) -> None:
    manifest = instance(home, ALICE, **{"metadata.name": "labelled"})
    done(alice.create(manifest))
    carol = admin.acting(visitor)
    done(carol.patch(manifest, {"metadata": {"labels": {"seen": "true"}}}))


@pytest.mark.parametrize("kind", ["Assignment", "Hypervisor", "Claim", "Flavor", "VolumeClass"])
def test_tenants_write_nothing_internal(alice: Rest, home: str, kind: str) -> None:
    answer = alice.create(right(kind, namespace=home))
    assert answer.status == 403
    assert 'User "alice" cannot create resource' in answer.message


@pytest.mark.parametrize("kind", ["Instance", "Image", "Network", "Port", "Volume"])
def test_tenants_write_no_status(alice: Rest, home: str, kind: str) -> None:
    assert alice.patch(right(kind, namespace=home), {"status": {}}, "status").status == 403


# The finalizer


@pytest.mark.parametrize("kind", ["Network", "Port", "Volume"])
def test_the_finalizer_is_the_operators(admin: Rest, home: str, kind: str) -> None:
    manifest = right(kind, f"kept-{secrets.token_hex(3)}", home)
    done(admin.create(changed(manifest, {"metadata.finalizers": ["orlop.dev/operator", "example.org/mine"]})))
    off = {"metadata": {"finalizers": ["example.org/mine"]}}
    said = "the finalizer orlop.dev/operator is taken off by the operator, when nothing is left behind"
    assert denial(admin.patch(manifest, off)) == said
    done(admin.patch(manifest, {"metadata": {"finalizers": ["orlop.dev/operator"]}}))
    done(admin.delete(manifest))
    assert denial(admin.patch(manifest, {"metadata": {"finalizers": None}})) == said
    operator = admin.acting(OPERATOR)
    done(operator.patch(manifest, {"metadata": {"finalizers": None}}))
    assert admin.get(manifest).status == 404
