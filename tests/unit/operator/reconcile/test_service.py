"""Services that lead to Instances."""

import pytest

from orlop_api.resource import Metadata
from orlop_operator.reconcile.effects import Announce, Apply, Remove
from orlop_operator.reconcile.service import Backend, plan_service
from orlop_operator.service import SELECTOR, Service, selector

WEB = Backend("web-1", "u1", "198.18.9.1", "node-a", is_ready=True, is_ending=False)
PATH = "/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices/web-orlop.dev"


def service(text: str | None = "app=web", **spec: object) -> Service:
    spec.setdefault(
        "ports",
        [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"}],
    )
    annotations = {SELECTOR: text} if text is not None else {}
    return Service(
        metadata=Metadata(name="web", namespace="demo", uid="s1", annotations=annotations), spec=spec
    )  # type: ignore[arg-type]


def applied(plan):
    (found,) = [effect for effect in plan.effects if isinstance(effect, Apply)]
    assert found.path == PATH
    return found.body


def said(plan):
    return [(e.type, e.reason, e.message) for e in plan.effects if isinstance(e, Announce)]


def test_its_slice_has_the_floating_addresses_and_the_ports_of_the_guests():
    plan = plan_service(service(), [WEB])
    body = applied(plan)
    assert body["metadata"]["labels"] == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "orlop.dev",
    }
    assert body["metadata"]["ownerReferences"][0]["uid"] == "s1"
    assert body["addressType"] == "IPv4"
    assert body["ports"] == [
        {"name": "http", "protocol": "TCP", "port": 8080},
        {"name": "dns", "protocol": "UDP", "port": 53},
    ]
    (endpoint,) = body["endpoints"]
    assert endpoint["addresses"] == ["198.18.9.1"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert endpoint["nodeName"] == "node-a"
    assert (endpoint["targetRef"]["kind"], endpoint["targetRef"]["name"]) == ("Instance", "web-1")
    assert plan.final
    assert said(plan) == []


@pytest.mark.parametrize(
    ("is_ready", "is_ending", "spec", "conditions"),
    [
        (False, False, {}, (False, False, False)),
        (True, True, {}, (False, True, True)),
        (False, False, {"publishNotReadyAddresses": True}, (True, True, False)),
    ],
)
def test_who_is_not_ready_gets_nothing(is_ready, is_ending, spec, conditions):
    backend = Backend("web-1", "u1", "198.18.9.1", None, is_ready=is_ready, is_ending=is_ending)
    (endpoint,) = applied(plan_service(service(**spec), [backend]))["endpoints"]
    assert tuple(endpoint["conditions"][name] for name in ("ready", "serving", "terminating")) == conditions
    assert "nodeName" not in endpoint


def test_instances_without_a_floating_address_are_told():
    others = [Backend(f"web-{n}", f"u{n}", None, None, is_ready=True, is_ending=False) for n in range(2, 9)]
    plan = plan_service(service(), [WEB, *others])
    assert len(applied(plan)["endpoints"]) == 1
    ((kind, reason, message),) = said(plan)
    assert (kind, reason) == ("Warning", "NoFloatingAddress")
    assert message == (
        "leads to 1 of 8 Instances: no floating address has web-2, web-3, web-4, web-5, web-6 and 2 more"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (service(selector={"app": "web"}), "without spec.selector"),
        (service(type="ExternalName"), "not ExternalName"),
        (service(ports=[{"port": 80, "targetPort": "http"}]), "use its number"),
        (service(ipFamilies=["IPv6"]), "IPv4"),
        (service("app"), "is key=value,key=value"),
        (service(""), "is key=value,key=value"),
        (service("a=b,a=c"), "each key once"),
    ],
)
def test_what_cannot_be_is_told_and_leads_nowhere(wrong, says):
    plan = plan_service(wrong, [WEB])
    assert [effect.path for effect in plan.effects if isinstance(effect, Remove)] == [PATH]
    assert not [effect for effect in plan.effects if isinstance(effect, Apply)]
    ((kind, reason, message),) = said(plan)
    assert (kind, reason) == ("Warning", "NoEndpoints")
    assert says in message


def test_without_the_annotation_the_slice_goes():
    plan = plan_service(service(None), [])
    assert plan.effects == (Remove(PATH),)


def test_the_selector_is_read_with_spaces():
    assert selector(service("app=web, tier=front")) == {"app": "web", "tier": "front"}
