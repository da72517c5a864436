"""What `orlop explain` and `orlop capacity` print, to the character."""

import json
import subprocess
import sys
from io import StringIO

from rich.console import Console

from orlop_api.boot import Boot
from orlop_api.instance import Instance, InstanceSpec
from orlop_api.resource import Metadata
from orlop_cli.drawing import WIDE
from orlop_cli.placement import draw_explanation, draw_rooms, explanation_json, rooms_json
from support.placed import GI, assignment, hypervisor, instance, node, seen


def lines(drawn):
    written = StringIO()
    Console(file=written, width=WIDE, highlight=False).print(drawn, soft_wrap=True)
    return [line.rstrip() for line in written.getvalue().splitlines()]


NODES = [
    (node("node-1"), hypervisor("node-1")),
    (node("node-2"), hypervisor("node-2", memory=GI)),
    (node("node-10", unschedulable=True), hypervisor("node-10", vcpus=0)),
]


def test_one_that_could_be_placed():
    found = seen(NODES, instances=[instance("web")]).explain("demo", "web")
    assert lines(draw_explanation(found)) == [
        "Instance demo/web  not placed; 2 of 3 hypervisors would do, node-1 best",
        "├── needs 1 vCPU, 512Mi of memory, 5Gi of disk",
        "├── node node-1   +0.875  = spread scarcest +0.875  would be chosen",
        "├── node node-2   +0.500  = spread scarcest +0.500",
        "└── node node-10  2 against it",
        "    ├── cordoned  cordoned",
        "    └── vcpu      not enough vCPUs (need 1, most free 0 on node-10)",
    ]
    told = json.loads(json.dumps(explanation_json(found)))
    assert (told["node"], told["wouldChoose"]) == (None, "node-1")
    assert [each["name"] for each in told["hypervisors"]] == ["node-1", "node-2", "node-10"]
    assert [each["filter"] for each in told["hypervisors"][2]["rejectedBy"]] == ["cordoned", "vcpu"]


def test_one_that_waits_and_one_that_runs():
    web = instance("web", flavorName="large") | {
        "status": {
            "conditions": [
                {"type": "Scheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 …"},
                {"type": "Ready", "status": "False", "reason": "Unschedulable", "message": "0/2 …"},
            ]
        }
    }
    found = seen(NODES[1:], instances=[web]).explain("demo", "web")
    said = lines(draw_explanation(found))
    assert said[0] == (
        "Instance demo/web  not placed; 0/2 hypervisors: 1 cordoned, 1 not enough memory (need 12Gi, most free 1Gi"
        " on node-2)"
    )
    assert said[1] == "├── Scheduled  0/2 …"
    order = assignment("web", "node-1", state="Running", rootDisk="Created")
    found = seen(NODES, instances=[instance("web")], assignments=[order]).explain("demo", "web")
    said = lines(draw_explanation(found))
    assert said[0] == "Instance demo/web  on node-1; it still fits there, and 1 of 3 hypervisors would do"
    assert said[2].endswith("spread scarcest +0.875  is here, would be chosen")
    assert "    └── pinned  the root disk is on node-1" in [line.replace("│", " ") for line in said]


def test_no_hypervisor_at_all():
    found = seen([], instances=[instance("web")]).explain("demo", "web")
    assert (
        lines(draw_explanation(found))[-1] == "└── no hypervisor: label a node with orlop.dev/hypervisor=true"
    )


def test_capacity():
    one_more = Instance(
        metadata=Metadata(name="One-More", namespace="demo", uid="one-more"),
        spec=InstanceSpec(flavor_name="small", boot=Boot()),
    )
    found = seen(NODES).capacity(one_more)
    assert lines(draw_rooms("small", found)) == [
        "Flavor small  10 more fit, on 2 of 3 hypervisors",
        "├── node node-1   8  not enough vCPUs (need 1, most free 0 on node-1)",
        "├── node node-2   2  not enough memory (need 512Mi, most free 0 on node-2)",
        "└── node node-10  0  cordoned; not enough vCPUs (need 1, most free 0 on node-10)",
    ]
    assert rooms_json(found)["total"] == 10


def test_who_does_not_explain_does_not_wait_for_the_operators_code():
    check = (
        "import sys, orlop_cli.app; sys.exit(int('numpy' in sys.modules or 'orlop_operator' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_operators_code_brings_nothing_that_the_command_does_not_install():
    check = (
        "import sys, orlop_operator.explaining;"
        "sys.exit(str({'aiohttp', 'kopf', 'structlog', 'msgspec', 'prometheus_client'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", check], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""
