"""Guests in plain QEMU: no libvirt, no agent, so that a failure here is the guest's own."""

import contextlib
import io
import json
import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pycdlib
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "guests" / "build"
READY = re.compile(r"^ORLOP-READY host=(?P<host>\S+) ip=(?P<ip>\S+) uptime=(?P<uptime>\d+)$")


class Guest:
    """A running QEMU, its serial console line by line, and its QMP monitor."""

    def __init__(self, command: Sequence[str], monitor: Path) -> None:
        self.lines: list[str] = []
        self._rest = b""
        self._position = 0
        self._monitor = monitor
        self.process = subprocess.Popen(
            [*command, "-qmp", f"unix:{monitor},server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait_for(self, pattern: str | re.Pattern[str], seconds: float = 60) -> re.Match[str]:
        """The next console line that matches; fails with the whole console when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            while self._position < len(self.lines):
                self._position += 1
                if match := re.search(pattern, self.lines[self._position - 1]):
                    return match
            if not self._read(deadline - time.monotonic()):
                pytest.fail(f"no line {pattern!r} on the console:\n" + "\n".join(self.lines))

    def wait_for_end(self, seconds: float) -> float:
        """Seconds until QEMU ended."""
        started = time.monotonic()
        while self._read(started + seconds - time.monotonic()):
            pass
        try:
            self.process.wait(timeout=max(0.1, started + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            pytest.fail(f"QEMU runs on after {seconds} s:\n" + "\n".join(self.lines))
        return time.monotonic() - started

    def _read(self, seconds: float) -> bool:
        """Takes what the console has; False at its end, or when nothing came in time."""
        output = self.process.stdout
        assert output
        if seconds <= 0 or not select.select([output], [], [], seconds)[0]:
            return False
        new = os.read(output.fileno(), 65536)
        *complete, self._rest = (self._rest + new).split(b"\n")
        self.lines += [line.decode(errors="replace").rstrip("\r") for line in complete]
        return bool(new)

    def type(self, text: str) -> None:
        """Sends text to the serial console."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def qmp(self, command: str, **arguments: object) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self._monitor))
            with connection.makefile("rw") as channel:
                channel.readline()
                for message in (
                    {"execute": "qmp_capabilities"},
                    {"execute": command, "arguments": arguments},
                ):
                    channel.write(json.dumps(message) + "\n")
                    channel.flush()
                    while "return" not in (answer := json.loads(channel.readline())):
                        assert "error" not in answer, answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()


def seed(path: Path, user_data: str, hostname: str, label: str = "cidata") -> Path:
    """A NoCloud seed as ISO 9660 with Rock Ridge and Joliet names."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    contents = {
        "user-data": user_data,
        "meta-data": f"instance-id: i-{hostname}\nlocal-hostname: {hostname}\n",
    }
    for name, text in contents.items():
        data = text.encode()
        short = f"/{name.upper().replace('-', '_')}.;1"
        iso.add_fp(io.BytesIO(data), len(data), short, rr_name=name, joliet_path=f"/{name}")
    iso.write(str(path))
    iso.close()
    return path


def answer(port: int) -> str:
    """What the tiny guest says to whoever asks at TCP 7, through the port that is forwarded there."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
        connection.makefile() as text,
    ):
        return text.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machine(memory: int = 96, *, reboots: bool = False, board: str = "q35") -> list[str]:
    """A bare machine under TCG with a serial console on standard input and output."""
    return [
        "qemu-system-x86_64", "-machine", f"{board},accel=tcg", "-cpu", "qemu64", "-m", str(memory), "-smp", "1",
        "-nodefaults", "-display", "none", "-serial", "stdio", *([] if reboots else ["-no-reboot"]),
    ]  # fmt: skip


def disk(path: Path, number: int, *, serial: str = "", form: str = "raw", boot: bool = False) -> list[str]:
    extra = (f",serial={serial}" if serial else "") + (",bootindex=0" if boot else "")
    # A boot disk comes from the cache: what the guest writes goes to a temporary file.
    snapshot = "on" if boot else "off"
    return [
        "-drive", f"file={path},format={form},if=none,id=d{number},snapshot={snapshot}",
        "-device", f"virtio-blk-pci,drive=d{number}{extra}",
    ]  # fmt: skip


def nic(number: int, forward: int | None = None) -> list[str]:
    """A NIC in a network of its own that reaches nothing outside; `forward`: a loopback port to TCP 7."""
    rule = f",hostfwd=tcp:127.0.0.1:{forward}-:7" if forward else ""
    network = f"10.0.{number + 2}.0/24"
    return [
        "-netdev", f"user,id=n{number},restrict=on,net={network}{rule}",
        "-device", f"virtio-net-pci,netdev=n{number},romfile=,mac=52:54:00:00:00:{number:02x}",
    ]  # fmt: skip
