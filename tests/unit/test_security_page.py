"""SECURITY.md names tests that are there, and the page on security lists what the containers really have."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASE = ROOT / "manifests/base"


def test_every_test_that_it_names_is_there():
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def pod_of(file: str) -> dict:
    """The one pod template of a manifest, with the one container that it has."""
    documents = yaml.safe_load_all((BASE / file).read_text())
    [pod] = [each["spec"]["template"]["spec"] for each in documents if "template" in each.get("spec", {})]
    assert len(pod["containers"]) == 1
    assert "initContainers" not in pod
    return pod


def section(title: str) -> str:
    """The page's section of this container."""
    page = (ROOT / "docs/explanation/security.md").read_text()
    return re.split(r"^##+ ", page.partition(f"### {title}\n")[2], flags=re.MULTILINE)[0]


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table with this first heading; none where there is no such table."""
    _, _, after = text.partition(f"| {heading} |")
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("title", "file"), [("The operator", "operator.yaml"), ("The agent", "agent.yaml")])
class TestTheContainers:
    def test_have_the_capabilities_that_are_listed(self, title: str, file: str):
        given = pod_of(file)["containers"][0]["securityContext"]["capabilities"]
        listed = rows(section(title), "capability")
        assert [name.strip("`") for name, _ in listed] == given.get("add", [])
        assert given["drop"] == ["ALL"]
        assert all(len(why) > 20 for _, why in listed)

    def test_have_the_mounts_that_are_listed(self, title: str, file: str):
        pod = pod_of(file)
        mounts = pod["containers"][0]["volumeMounts"]
        access = {m["mountPath"]: "read" if m.get("readOnly") else "write" for m in mounts}
        listed = rows(section(title), "mount")
        assert {path.strip("`"): how for path, how, _ in listed} == access
        assert {m["name"] for m in mounts} == {volume["name"] for volume in pod["volumes"]}
        assert all(len(why) > 10 for *_, why in listed)

    def test_are_not_privileged_and_can_gain_nothing(self, title: str, file: str):
        context = pod_of(file)["containers"][0]["securityContext"]
        assert not context.get("privileged", False)
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert "volumeDevices" not in pod_of(file)["containers"][0]


def test_what_else_the_agent_has_is_listed():
    pod = pod_of("agent.yaml")
    context = pod["containers"][0]["securityContext"]
    assert set(context) == {
        "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities",
        "seccompProfile", "appArmorProfile", "seLinuxOptions",
    }  # fmt: skip
    assert [what for what, _ in rows(section("The agent"), "what else")] == [
        f"seccomp `{context['seccompProfile']['type']}`",
        f"AppArmor `{context['appArmorProfile']['type']}`",
        f"SELinux type `{context['seLinuxOptions']['type']}`",
        *(f"`{name}`" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)),
    ]


def test_the_operator_s_other_limits_are_as_said():
    context = pod_of("operator.yaml")["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 65532)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    said = section("The operator")
    assert "(65532)" in said
    assert "runtime's seccomp profile" in said
