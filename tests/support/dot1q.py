"""VLANs for a FakeNode: the kernel's own where it has 8021q, and elsewhere a stand-in of the same contract.

The stand-in takes the place of one line of ip(8), `link add link … type vlan`, and of the device that this makes: a
process between a tap and a packet socket on the node's interface, which tags and untags. All else is the kernel's.
"""

import subprocess
import sys
from pathlib import Path

from support.fakenode import FakeNode

_SHIM = """#!{python}
import os, re, subprocess, sys
REAL, TAGGER, RUN = {real!r}, {tagger!r}, {run!r}
VLAN = re.compile(r"link add link (\\S+) name (\\S+) mtu (\\d+) netns (\\S+) type vlan id (\\d+)")
if sys.argv[1:] != ["-force", "-batch", "-"]:
    os.execv(REAL, ["ip", *sys.argv[1:]])
lines = sys.stdin.read().splitlines()
failed = False
for number, line in enumerate(lines, 1):
    if found := VLAN.fullmatch(line):
        parent, name, mtu, namespace, tag = found.groups()
        lines[number - 1] = ""
        held = os.path.join(RUN, f"{{parent}}.{{tag}}.vlan")
        there = os.path.exists(held) and os.path.exists(f"/proc/{{open(held).read()}}")
        if there:
            print("RTNETLINK answers: File exists", f"Command failed -:{{number}}", sep="\\n", file=sys.stderr)
            failed = True
        else:
            subprocess.run([sys.executable, TAGGER, parent, name, mtu, namespace, tag, held], check=True)
done = subprocess.run([REAL, *sys.argv[1:]], input="\\n".join(lines) + "\\n", text=True)
sys.exit(done.returncode or failed)
"""
_TAGGER = """
import ctypes, fcntl, os, select, socket, struct, subprocess, sys
parent, name, mtu, namespace, tag, held = sys.argv[1:]
AUXDATA = 8
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(263, AUXDATA, 1)
wire.bind((parent, 3))
libc = ctypes.CDLL(None, use_errno=True)
with open(f"/run/netns/{namespace}") as there:
    assert libc.setns(there.fileno(), 0x40000000) == 0
tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))
subprocess.run(["/sbin/ip", "link", "set", name, "mtu", mtu], check=True)
if os.fork():
    os._exit(0)
os.setsid()
with open(held, "w") as record:
    record.write(str(os.getpid()))
null = os.open("/dev/null", os.O_RDWR)
for number in range(3):
    os.dup2(null, number)
header = b"\\x81\\x00" + struct.pack("!H", int(tag))
watch = select.poll()
watch.register(tap, select.POLLIN)
watch.register(wire, select.POLLIN)
try:
    while True:
        for descriptor, event in watch.poll():
            if descriptor == tap:
                frame = os.read(tap, 65536)
                wire.send(frame[:12] + header + frame[12:])
                continue
            frame, more, _, address = wire.recvmsg(65536, 64)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            for level, kind, data in more:
                if (level, kind) == (263, AUXDATA):
                    status, _, _, _, _, tci, protocol = struct.unpack("IIIHHHH", data)
                    if status & 0x10 and protocol == 0x8100 and tci & 0xFFF == int(tag):
                        os.write(tap, frame)
except OSError:
    os.unlink(held)
"""


def kernel_has_it() -> bool:
    """Whether ip(8) can make such a device here."""
    probe = "ip link add va type veth peer name vb && ip link add link va name v5 type vlan id 5"
    done = subprocess.run(["unshare", "--net", "sh", "-c", probe], capture_output=True, check=False)
    return done.returncode == 0


def provide(node: FakeNode) -> None:
    """Has the node's ip(8) make VLAN devices, where the kernel cannot."""
    if kernel_has_it():
        return
    folder = node.run_dir / "dot1q"
    folder.mkdir()
    tagger, shim = folder / "tagger.py", folder / "ip"
    tagger.write_text(_TAGGER)
    shim.write_text(_SHIM.format(python=sys.executable, real=_real(), tagger=str(tagger), run=str(folder)))
    shim.chmod(0o755)
    node.shell = [
        *node.shell,
        "env",
        f"PATH={folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]


def _real() -> str:
    return next(
        str(path) for path in (Path("/sbin/ip"), Path("/usr/sbin/ip"), Path("/bin/ip")) if path.exists()
    )
