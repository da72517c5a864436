"""Objects as `orlop net show` reads them, and the lines that it makes of them."""

from io import StringIO

from rich.console import Console

from orlop_api.floating_ip import FloatingIP
from orlop_api.instance import Instance
from orlop_api.network import Network
from orlop_api.port import Port
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup
from orlop_cli.drawing import WIDE, draw
from orlop_cli.picture import Found, picture


def condition(reason, status="True", message=""):
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def network(status=True, **subnet):
    ready = {"segmentID": 4097, "mtu": 1450, "conditions": [condition("Allocated")]}
    return Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "blue", "uid": "uid-blue"},
            "spec": {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24", **subnet}]},
            "status": ready if status else None,
        }
    )


def port(name, address="", node=None, instance="", on="blue", pairs=(), ready=None, groups=None):
    status = {"macAddress": "02:00:10:01:00:14", "addresses": address.split()} if address else {}
    status["conditions"] = [ready or condition("Claimed")]
    status["securityGroups"] = groups
    if node is not None:
        status["binding"] = {
            "instanceName": instance,
            "instanceUID": f"uid-{instance}",
            "nodeName": node,
            "hostAddress": f"192.0.2.{node[-1]}",
        }
    spec = {"networkRef": {"name": on}, "allowedAddressPairs": [{"address": each} for each in pairs]}
    return Port.model_validate(
        {"metadata": {"namespace": "demo", "name": name}, "spec": spec, "status": status}
    )


def instance(name, ready, *nics, power="Running"):
    return Instance.model_validate(
        {
            "metadata": {"namespace": "demo", "name": name, "uid": f"uid-{name}"},
            "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": list(nics)},
            "status": {"powerState": power, "conditions": [ready]},
        }
    )


def router(name, *networks, routes=(), ready=None, routing=None):
    """Networks are names, or name, ranges and uid of those that are joined."""
    joined = [
        {
            "name": each[0], "cidr": each[1], "gateway": "10.0.0.1", "segmentID": 4098, "mtu": 1450,
            "networkUID": f"uid-{each[0]}",
        } | ({"ipv6": {"cidr": each[2], "gateway": "fd00::1"}} if len(each) > 2 else {})
        for each in networks
        if isinstance(each, tuple)
    ]  # fmt: skip
    ways = [{"destination": destination, "via": via} for destination, via in routes]
    named = [{"name": each if isinstance(each, str) else each[0]} for each in networks]
    return Router.model_validate(
        {
            "metadata": {"namespace": "demo", "name": name},
            "spec": {"networks": named},
            "status": {
                "networks": joined,
                "routes": ways,
                "conditions": [ready or condition("Joined"), *([routing] if routing else [])],
            },
        }
    )


def floating(name, address="", to=None, ports=(), node=None, ready=None, network="public"):
    target = {
        "name": to, "uid": f"uid-{to}", "networkUID": "uid-blue", "segmentID": 4097, "address": "10.10.0.9",
    }  # fmt: skip
    status = {"address": address or None, "nodeName": node, "conditions": [ready or condition("Leads")]}
    spec = {"networkRef": {"name": network}, "ports": list(ports)}
    return FloatingIP.model_validate(
        {
            "metadata": {"namespace": "demo", "name": name},
            "spec": spec | ({"portRef": {"name": to}} if to else {}),
            "status": status | ({"target": target} if to and ready is None else {}),
        }
    )


def group(name):
    meta = {"namespace": "demo", "name": name, "uid": f"uid-{name}"}
    return SecurityGroup.model_validate({"metadata": meta, "spec": {"ingress": [], "egress": []}})


def lines(network, ports=(), instances=(), routers=(), floating_ips=(), groups=()):
    console = Console(file=StringIO(), width=WIDE, color_system=None, highlight=False)
    found = Found(ports, instances, routers, floating_ips, groups)
    console.print(draw(picture(network, found)), soft_wrap=True)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
