"""A Node that is no hypervisor any more: what it could read goes with it, and not while anything runs there."""

from datetime import UTC, datetime

from orlop_api.hypervisor import HYPERVISOR_LABEL, Hypervisor, node_namespace
from orlop_operator.kinds import HYPERVISOR, NODE
from orlop_operator.reconcile.effects import Delete, InOrder, Remove
from orlop_operator.reconcile.hypervisor import HypervisorFacts, is_leaving, plan_hypervisor

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOST = Hypervisor.model_validate({"metadata": {"name": "n1", "uid": "u"}})
LABELED = NODE.parse({"metadata": {"name": "n1", "labels": {HYPERVISOR_LABEL: "true"}}})
PLAIN = NODE.parse({"metadata": {"name": "n1"}})


def effects(**facts: object) -> tuple:
    return plan_hypervisor(HypervisorFacts("n1", NOW, hypervisor=HOST, **facts)).effects


def test_first_its_secrets_go_and_then_the_hypervisor() -> None:
    [done] = effects(node=PLAIN)
    secrets = Remove(f"/api/v1/namespaces/{node_namespace('n1')}/secrets")
    assert done == InOrder((secrets, Delete(HYPERVISOR, HOST)))
    assert effects(node=None) == (done,), "its Node is gone altogether"


def test_while_an_instance_is_there_nothing_goes() -> None:
    for facts in ({"node": PLAIN, "bound": 1}, {"node": LABELED, "bound": 0}):
        assert not any(isinstance(effect, InOrder | Remove | Delete) for effect in effects(**facts))
        assert not is_leaving(HypervisorFacts("n1", NOW, hypervisor=HOST, **facts))


def conditions(**status: object) -> dict[str, tuple[str, str, str]]:
    host = HOST.model_validate({**HOST.wire(), "status": status})
    (report,) = plan_hypervisor(HypervisorFacts("n1", NOW, node=LABELED, hypervisor=host)).effects
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in report.status["conditions"]
    }


def test_what_of_networks_a_node_cannot_have_is_said_while_it_is_so() -> None:
    for filters in (None, "Loaded"):
        assert conditions(bridgeFilter=filters).keys() == {"Ready"}
    status, reason, message = conditions(bridgeFilter="Missing")["Filtering"]
    assert (status, reason) == ("False", "BridgeFilterMissing")
    assert message.startswith("the kernel module br_netfilter is not there")
    wrong = [
        {"routerUID": f"u{n}", "namespace": "demo", "reason": "NetworkSetupFailed", "message": f"cause {n}"}
        for n in range(2)
    ]
    assert conditions(unrouted=wrong)["Routing"] == (
        "False",
        "NetworkSetupFailed",
        "2 Routers cannot be had here as they shall be; one of namespace demo: cause 0",
    )
