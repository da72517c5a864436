"""The scripts inside the tiny guest, as far as they can be judged outside it."""

import os
import subprocess
from pathlib import Path

import pytest

from orlop_guests import kmodules, tiny

SCRIPTS = [
    path
    for path in sorted((tiny.SOURCES / "root").rglob("*"))
    if path.is_file() and path.read_bytes()[:2] == b"#!"
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_may_run_and_is_shell(script: Path):
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True)


def test_the_command_line_is_options_without_reasons():
    line = tiny.command_line()
    assert line.startswith("console=ttyS0 ")
    assert "#" not in line
    assert "  " not in line


def test_drivers_of_disk_and_network_load_at_boot():
    chosen = kmodules.wanted((tiny.SOURCES / "modules").read_text())
    assert {"virtio_pci", "virtio_net", "virtio_blk", "isofs", "button", "evdev"} <= set(chosen.boot)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("instance-id: i-1\nlocal-hostname: web-1\n", "web-1"),
        ('local-hostname: "web-1"\ninstance-id: x\n', "web-1"),
        ("local-hostname: 'web-1' \n", "web-1"),
        ('{"instance-id": "i-1", "local-hostname": "web-1"}', "web-1"),
        ('{"local-hostname": "web-1", "instance-id": "i-1"}', "web-1"),
        ("instance-id: i-1\n", ""),
    ],
)
def test_reads_the_name_from_yaml_and_json(text: str, name: str, tmp_path: Path):
    script = (tiny.SOURCES / "root/sbin/read-seed").read_text()
    start = script.index("field()")
    function = script[start : script.index("\n}\n", start) + 3].replace("/run/seed", str(tmp_path))
    (tmp_path / "meta-data").write_text(text)
    found = subprocess.run(
        ["sh", "-c", f"{function}\nfield local-hostname"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == name
