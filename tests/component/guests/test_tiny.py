"""The tiny guest keeps what docs/reference/guests.md promises, from both of its forms."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.guest import READY, Guest, answer, disk, free_port, machine, nic, seed

Start = Callable[[Sequence[str]], Guest]

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(180),
]
SERIAL = "0123456789abcdef-xyz"


def from_disk(tiny: Path) -> list[str]:
    return disk(tiny / "tiny.qcow2", 0, form="qcow2", boot=True)


def from_kernel(tiny: Path) -> list[str]:
    files = ["-kernel", str(tiny / "tiny.vmlinuz"), "-initrd", str(tiny / "tiny.initrd")]
    return [*files, "-append", "console=ttyS0 quiet"]


@pytest.mark.parametrize("form", [from_disk, from_kernel])
def test_boots_answers_and_powers_off(
    tiny: Path, start: Start, tmp_path: Path, form: Callable[[Path], list[str]]
):
    port = free_port()
    medium = seed(tmp_path / "seed.iso", '#!/bin/sh\necho "on $(hostname)"\n', "web-1")
    guest = start([*machine(), *form(tiny), *nic(0, port), *disk(medium, 1)])

    ready = guest.wait_for(READY)
    assert ready["host"] == "web-1"
    assert ready["ip"] == "10.0.2.15"
    guest.wait_for(r"^user-data: on web-1$")
    guest.wait_for(r"^user-data: exit status 0$")

    first = re.fullmatch(r"web-1 ([0-9a-f-]{36}) (\d+)\n", answer(port))
    second = re.fullmatch(r"web-1 ([0-9a-f-]{36}) (\d+)\n", answer(port))
    assert first
    assert second
    assert first[1] == second[1]
    assert int(ready["uptime"]) <= int(first[2]) <= int(second[2])

    guest.qmp("system_powerdown")
    guest.wait_for_end(15)
    assert sum("ORLOP-READY" in line for line in guest.lines) == 1


def test_is_ready_without_nic_or_seed(tiny: Path, start: Start):
    guest = start([*machine(), *from_kernel(tiny)])
    ready = guest.wait_for(READY)
    assert ready["host"] == "tiny"
    assert ready["ip"] == "none"


def test_takes_an_address_on_every_nic_and_shows_the_first(tiny: Path, start: Start, tmp_path: Path):
    medium = seed(tmp_path / "seed.iso", "#!/bin/sh\nip -4 -o addr show\n", "two")
    guest = start([*machine(), *from_kernel(tiny), *nic(0), *nic(1), *disk(medium, 1)])
    assert guest.wait_for(READY)["ip"] == "10.0.2.15"
    guest.wait_for(r"^user-data: .*eth0 .*10\.0\.2\.15/24")
    guest.wait_for(r"^user-data: .*eth1 .*10\.0\.3\.15/24")


def test_user_data_that_is_no_script_is_left_alone(tiny: Path, start: Start, tmp_path: Path):
    medium = seed(tmp_path / "seed.iso", "#cloud-config\nruncmd: [poweroff]\n", "calm", label="CIDATA")
    guest = start([*machine(), *from_kernel(tiny), *disk(medium, 1)])
    assert guest.wait_for(READY)["host"] == "calm"
    guest.type("\nhostname; echo the end\n")
    guest.wait_for(r"^the end$")
    assert not [line for line in guest.lines if line.startswith("user-data")]


def test_data_on_a_volume_outlives_the_guest(tiny: Path, start: Start, tmp_path: Path):
    volume = tmp_path / "volume.raw"
    with volume.open("wb") as file:
        file.truncate(16 << 20)
    write = (
        f"#!/bin/sh\nset -e\nd=$(disk-by-serial {SERIAL})\nmke2fs $d >/dev/null 2>&1\nmount $d /mnt\n"
        "echo precious >/mnt/data\n"
    )
    read = f"#!/bin/sh\nmount $(disk-by-serial {SERIAL}) /mnt\ncat /mnt/data\n"
    for number, (script, shown) in enumerate([(write, "exit status 0"), (read, "precious")]):
        medium = seed(tmp_path / f"seed-{number}.iso", script, "keeper")
        guest = start([*machine(), *from_kernel(tiny), *disk(medium, 0), *disk(volume, 1, serial=SERIAL)])
        guest.wait_for(rf"^user-data: {shown}$")
        guest.qmp("system_powerdown")  # while the volume is still mounted
        guest.wait_for_end(15)


def test_a_reboot_asked_for_at_the_keyboard_is_a_new_boot(tiny: Path, start: Start):
    port = free_port()
    guest = start([*machine(reboots=True), *from_disk(tiny), *nic(0, port)])
    guest.wait_for(READY)
    before = answer(port).split()[1]
    guest.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")])
    guest.wait_for(READY)
    assert answer(port).split()[1] != before
