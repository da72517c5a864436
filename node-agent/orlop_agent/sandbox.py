"""Programs that read foreign bytes: unprivileged, without a network, and with no view of this node.

bubblewrap(1) gives such a program a mount namespace of its own that has the operating system's programs
(read-only), this project's own code, and the files that it is handed by name; no /proc, no /dev beyond the
harmless, no host's files, processes or network. Limits on memory, processor time and file size come on top.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

NOBODY = 65534
_PROCESSES = 1024
"""Of all that run as nobody on the node, threads included (setrlimit(2), RLIMIT_NPROC)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a confined program may use."""

    memory: int
    """Bytes of address space."""
    processor_seconds: int | None
    """None: however long it runs."""
    file_bytes: int
    """Largest file that it may write."""
    files: int = 64
    """Files and connections that it may have open."""


def command(
    program: Sequence[str],
    limits: Limits,
    *,
    readable: Mapping[str, Path] | None = None,
    writable: Mapping[str, Path] | None = None,
) -> list[str]:
    """The argument list that runs `program` confined, with these files under these names; for `start`."""
    binds: list[str] = []
    for name, path in (readable or {}).items():
        binds += ["--ro-bind", str(path), name]
    for name, path in (writable or {}).items():
        binds += ["--bind", str(path), name]
    seconds = "unlimited" if limits.processor_seconds is None else limits.processor_seconds
    return [
        "prlimit", f"--as={limits.memory}", f"--cpu={seconds}", f"--fsize={limits.file_bytes}",
        f"--nofile={limits.files}", f"--nproc={_PROCESSES}", "--core=0",
        "bwrap", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
        "--die-with-parent", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C.UTF-8",
        "--dev", "/dev", *_system(), *binds, "--chdir", "/", "--",
        "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs",
        "--bounding-set", "-all", *program,
    ]  # fmt: skip


def python(module: str, *arguments: str) -> list[str]:
    """A module of this project as a program; it imports what this process could import."""
    paths = [entry for entry in sys.path if entry]
    start = f"import sys; sys.path[:] = {paths!r}; import runpy; runpy.run_module({module!r}, run_name='__main__')"
    return [sys.executable, "-I", "-S", "-c", start, *arguments]


async def start(arguments: Sequence[str], **streams: Any) -> asyncio.subprocess.Process:
    """Start what `command` says, with streams as of asyncio.create_subprocess_exec; `kill` ends it.

    It leads a session of its own: no terminal of ours is its, and all of it is one group.
    """
    return await asyncio.create_subprocess_exec(*arguments, start_new_session=True, **streams)


async def run(arguments: Sequence[str], seconds: float, *, stdin: IO[bytes] | None = None) -> tuple[int, str]:
    """The exit status and the last line on standard error. TimeoutError, with the program killed."""
    process = await start(
        arguments,
        stdin=stdin if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), seconds)
    except BaseException:
        await kill(process)
        raise
    return process.returncode or 0, last_line(stderr)


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a confined program, at whatever point of its start it is.

    Its namespace ends with bubblewrap, but only once bubblewrap's child has asked for that. Before, the child
    waits for its parent for ever, with our end of its pipes open: so the whole group is ended.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def last_line(output: bytes) -> str:
    """What a failed program said last."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1][:800] if lines else "no output"


def _system() -> list[str]:
    """Read-only: the operating system's programs, Python's environment, and the project's own code."""
    binds: list[str] = []
    for directory in ("/usr", "/lib", "/lib64", "/bin", "/sbin"):
        path = Path(directory)
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), directory]
        elif path.is_dir():
            binds += ["--ro-bind", directory, directory]
    code = sorted(_code())
    # bubblewrap would make the folders above them for root alone.
    above = {Path("/etc"), *(parent for path in code for parent in path.parents)} - {Path("/")}
    for path in sorted(above):
        binds += ["--perms", "0755", "--dir", str(path)]
    binds += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for path in code:
        binds += ["--ro-bind", str(path), str(path)]
    return binds


def _code() -> set[Path]:
    """Where Python and the project are, if not below /usr: an environment of its own, a checkout."""
    places = {Path(sys.prefix)}
    for package in ("orlop_agent", "orlop_api"):
        found = find_spec(package)
        places |= {Path(place) for place in (found.submodule_search_locations or ())} if found else set()
    return {place for place in places if not place.is_relative_to("/usr")}
