"""The agent's small parts, each by its promise."""

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pycdlib
import pytest
import yaml

from orlop_agent import ending, node
from orlop_agent.api.identity import NodeClaim, node_claim
from orlop_agent.cache import Cache
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import EndReason
from orlop_agent.journal import Journal, Record, decode, encode
from orlop_agent.ledger import Ledger, Slot
from orlop_agent.nodestatus import changes, sound
from orlop_agent.protocol import Entry
from orlop_agent.report import same, timed
from orlop_agent.seed.content import files
from orlop_agent.seed.iso import image
from orlop_api.assignment import AssignedNic, Assignment, AssignmentStatus, State
from orlop_api.condition import Condition, Truth, timestamp
from orlop_api.config import NodeConfig
from orlop_api.hypervisor import Capacity, HypervisorStatus, ImportReport, ImportState
from orlop_api.instance import RestartPolicy
from orlop_api.keypair import AssignedKey

NIC = AssignedNic.model_validate(
    {
        "name": "eth0",
        "portName": "web-1-eth0",
        "networkUID": "n",
        "segmentID": 4097,
        "macAddress": "02:00:10:01:00:0a",
        "addresses": ["10.10.0.10"],
        "cidr": "10.10.0.0/24",
        "gateway": "10.10.0.1",
        "dns": ["10.10.0.1"],
        "mtu": 1450,
    }
)


class TestJournal:
    record = Record(
        Entry("a", 3, "s", State.RELEASED, has_root_disk=True), "web-1", (NIC,), "b", "s", EndReason.CRASHED
    )

    def test_what_is_written_is_read_by_the_next_agent(self, tmp_path: Path):
        Journal(tmp_path).write("uid", self.record)
        assert Journal(tmp_path).read("uid") == self.record
        assert decode(encode(self.record)) == self.record

    def test_a_half_written_file_is_not_seen(self, tmp_path: Path):
        (tmp_path / ".uid.json.new").write_text("{")
        assert Journal(tmp_path).instances() == []

    def test_a_damaged_file_is_said_and_not_taken_for_none(self, tmp_path: Path):
        (tmp_path / "uid.json").write_text("{")
        journal = Journal(tmp_path)
        with pytest.raises(StepError, match="cannot be read"):
            journal.read("uid")
        assert journal.peek("uid") is None
        assert journal.instances() == ["uid"]

    def test_removed_twice_is_removed(self, tmp_path: Path):
        journal = Journal(tmp_path)
        journal.write("uid", self.record)
        journal.remove("uid")
        journal.remove("uid")
        assert journal.read("uid") is None


class TestIdentity:
    @staticmethod
    def token(claims: object) -> str:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"h.{payload}.s"

    def test_the_node_is_read_from_the_token(self):
        claims = {"kubernetes.io": {"node": {"name": "node-1", "uid": "u"}}}
        assert node_claim(self.token(claims)) == NodeClaim("node-1", "u")

    @pytest.mark.parametrize("claims", [{}, {"kubernetes.io": {}}, {"kubernetes.io": {"node": "x"}}, []])
    def test_a_token_without_a_node_is_refused(self, claims: object):
        with pytest.raises(ValueError, match="names no node"):
            node_claim(self.token(claims))

    @pytest.mark.parametrize("token", ["", "a.b.c", "a"])
    def test_what_is_no_token_is_refused(self, token: str):
        with pytest.raises(ValueError, match="names no node"):
            node_claim(token)


class TestNode:
    @staticmethod
    def proc(root: Path, started: int, flags: str = "fpu sse2") -> Path:
        (root / "sys/kernel/random").mkdir(parents=True)
        (root / "1").mkdir()
        (root / "sys/kernel/random/boot_id").write_text("1b4e28ba-2fa1-11d2-883f-0016d3cca427\n")
        (root / "1/stat").write_text(f"1 (a ) b) S {' '.join('0' * 18)} {started} 0 0\n")
        (root / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
        (root / "meminfo").write_text("MemTotal:       2097152 kB\nMemFree: 1 kB\n")
        return root

    def test_a_container_that_was_started_again_is_another_boot(self, tmp_path: Path):
        first = node.boot_id(self.proc(tmp_path / "a", 100))
        assert first == node.boot_id(self.proc(tmp_path / "b", 100))
        assert first != node.boot_id(self.proc(tmp_path / "c", 101))

    def test_the_pool_keeps_its_name(self, tmp_path: Path):
        assert node.pool_id(tmp_path / "pool-id") == node.pool_id(tmp_path / "pool-id")

    @pytest.mark.parametrize(
        ("flags", "kvm", "kind"), [("vmx", True, "kvm"), ("vmx", False, "qemu"), ("sse2", True, "qemu")]
    )
    def test_kvm_needs_the_flag_and_the_device(self, tmp_path: Path, flags: str, kvm: bool, kind: str):
        dev = tmp_path / "dev"
        dev.mkdir()
        if kvm:
            (dev / "kvm").touch()
        assert node.virtualization_type(NodeConfig(), self.proc(tmp_path / "proc", 1, flags), dev) == kind
        forced = NodeConfig(virtualization_type="kvm")
        assert node.virtualization_type(forced, tmp_path, dev) == "kvm"

    def test_capacity_is_what_the_node_does_not_need(self, tmp_path: Path):
        config = NodeConfig(reserved_memory="512Mi")
        assert node.capacity(config, tmp_path, self.proc(tmp_path / "proc", 1)).memory_bytes == 1536 << 20

    def test_the_loopback_has_an_mtu_and_a_stranger_none(self):
        assert node.underlay_mtu("127.0.0.1") == 65536
        assert node.underlay_mtu("192.0.2.1") is None


class TestLedger:
    def test_room_is_counted_without_oneself(self):
        ledger = Ledger(lambda: Capacity(vcpus=4, memory_bytes=4 << 30, disk_bytes=10 << 30))
        ledger.take("a", Slot(2, 3 << 30, 1 << 30))
        assert ledger.shortage("a", Slot(4, 4 << 30, 10 << 30)) is None
        assert ledger.shortage("b", Slot(2, 2 << 30, 1)) == "not enough memory: need 2Gi, free 1Gi"
        assert ledger.shortage("b", Slot(3, 1, 1)) == "not enough vCPUs: need 3, free 2"
        assert ledger.shortage("b", Slot(1, 1, 10 << 30)) == "not enough disk: need 10Gi, free 9Gi"
        assert ledger.release("a")
        assert not ledger.release("a")
        assert ledger.shortage("b", Slot(4, 4 << 30, 10 << 30)) is None

    def test_what_needs_nothing_of_what_is_overfull_fits(self):
        ledger = Ledger(lambda: Capacity(vcpus=4, memory_bytes=4 << 30, disk_bytes=10 << 30))
        ledger.take("a", Slot(5, 3 << 30, 11 << 30))
        assert ledger.shortage("b", Slot(0, 1 << 30, 0)) is None
        assert ledger.shortage("b", Slot(0, 1 << 30, 1)) == "not enough disk: need 1, free 0"
        assert ledger.shortage("b", Slot(1, 1 << 30, 0)) == "not enough vCPUs: need 1, free 0"


class TestSeed:
    def read(self, content: bytes, name: str) -> bytes:
        disk, out = pycdlib.PyCdlib(), io.BytesIO()
        disk.open_fp(io.BytesIO(content))
        assert disk.pvd.volume_identifier.strip() == b"cidata"
        disk.get_file_from_iso_fp(out, rr_path=f"/{name}")
        disk.close()
        return out.getvalue()

    def test_the_disk_holds_the_three_files(self):
        made = image(files("uid", "web-1", [NIC], b"#!/bin/sh\n"))
        assert json.loads(self.read(made, "meta-data")) == {"instance-id": "uid", "local-hostname": "web-1"}
        assert self.read(made, "user-data") == b"#!/bin/sh\n"
        assert yaml.safe_load(self.read(made, "network-config")) == {
            "version": 2,
            "ethernets": {"eth0": {"match": {"macaddress": "02:00:10:01:00:0a"}, "dhcp4": True}},
        }

    def test_keys_are_where_cloud_init_looks(self):
        lines = ("ssh-ed25519 AAAA me", 'ssh-ed25519 AAAA "\ninstance-id: x')
        keys = [AssignedKey(name=f"k{n}", public_key=line) for n, line in enumerate(lines)]
        meta_data = json.loads(files("uid", "web-1", [NIC], b"", keys)["meta-data"])
        assert meta_data["public-keys"] == list(lines)
        assert files("uid", "web-1", [NIC], b"", keys)["meta-data"].count(b"\n") == 1

    def test_without_dhcp_the_seed_has_the_addresses(self):
        static = NIC.model_copy(update={"dhcp": "Disabled"})
        second = static.model_copy(update={"name": "eth1", "mac_address": "02:00:10:02:00:0a", "dns": []})
        config = yaml.safe_load(files("uid", "web-1", [static, second], b"")["network-config"])
        assert config["ethernets"]["eth0"] == {
            "match": {"macaddress": "02:00:10:01:00:0a"},
            "dhcp4": False,
            "addresses": ["10.10.0.10/24"],
            "mtu": 1450,
            "routes": [{"to": "0.0.0.0/0", "via": "10.10.0.1"}],
            "nameservers": {"addresses": ["10.10.0.1"], "search": ["orlop.internal"]},
        }
        assert not {"routes", "nameservers"} & set(config["ethernets"]["eth1"])

    def test_without_dhcp_the_seed_has_routes_and_domains(self):
        ways = [{"destination": "10.20.0.0/16", "via": "10.10.0.9"}]
        said = {"dhcp": "Disabled", "routes": ways, "domain": "lab.example", "search": ["example.org"]}
        static = AssignedNic.model_validate(NIC.model_dump() | said)
        config = yaml.safe_load(files("uid", "web-1", [static], b"")["network-config"])["ethernets"]["eth0"]
        assert config["routes"] == [
            {"to": "10.20.0.0/16", "via": "10.10.0.9"},
            {"to": "0.0.0.0/0", "via": "10.10.0.1"},
        ]
        assert config["nameservers"]["search"] == ["lab.example", "example.org"]


class TestReport:
    status = AssignmentStatus(
        epoch=1,
        state=State.RUNNING,
        conditions=[Condition(type="ImageReady", status=Truth.TRUE, reason="ImageReady")],
    )

    def test_a_time_alone_is_no_news(self):
        now = datetime(2026, 1, 1, tzinfo=UTC)
        written = timed(self.status, None, now)
        assert written.conditions[0].last_transition_time == timestamp(now)
        assert same(self.status, written)
        assert not same(self.status.model_copy(update={"message": "else"}), written)

    def test_an_inventory_writes_what_changed_and_never_conditions(self):
        ready = Condition(type="Ready", status=Truth.TRUE, reason="AgentAlive")
        known = HypervisorStatus(boot_id="a", images=[], conditions=[ready])
        assert changes(HypervisorStatus(boot_id="a"), known) == {}
        assert changes(HypervisorStatus(boot_id="b"), known) == {"bootID": "b"}

    def test_a_report_that_the_api_would_refuse_stops_no_other_one(self):
        good = ImportReport(image_uid="u1", state=ImportState.FAILED, message="x" * 1024)
        for message in ("x" * 1025, "\udcff"):
            bad = good.model_copy(update={"image_uid": "u2", "message": message})
            assert sound([bad, good]) == [good]


class TestCache:
    @staticmethod
    def seen(version: str, uid: str = "a") -> Assignment:
        return Assignment.model_validate(
            {
                "metadata": {"name": "i", "uid": uid, "resourceVersion": version},
                "spec": {
                    "instance": {"namespace": "demo", "name": "web-1", "uid": "i"},
                    "vcpus": 1,
                    "memoryBytes": 1,
                    "rootDiskBytes": 1,
                },
            }
        )

    def test_what_is_older_does_not_replace_what_is_newer(self):
        cache = Cache()
        assert cache.put(self.seen("10"))
        assert not cache.put(self.seen("9"))
        assert cache.put(self.seen("2", uid="b"))
        cache.drop("i")
        assert cache.get("i") is None


def test_restarts_come_slower_and_slower():
    assert [ending.delay(n) for n in (0, 1, 2, 8, 9, 100)] == [1, 2, 4, 256, 300, 300]


@pytest.mark.parametrize("reason", EndReason)
def test_every_end_has_a_sentence(reason: EndReason):
    assert all(ending.explained(reason))
    assert ending.restarts(RestartPolicy.ALWAYS, reason)
    assert not ending.restarts(RestartPolicy.NEVER, reason)
