"""A limit of the machine's kernel that a cluster of several nodes outgrows.

All nodes' systemd, kubelet, containerd and dnsmasq count as this machine's root, for which inotify(7) grants 128
instances: enough for two clusters by a hair, and what comes after fails at some place of its own.
"""

from pathlib import Path

from orlop_cluster.process import say

FILE = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024


def raise_inotify(file: Path = FILE, enough: int = ENOUGH) -> None:
    """Have at least so many until the machine's next boot. It is not taken back: others may need it."""
    granted = int(file.read_text())
    if granted >= enough:
        return
    try:
        file.write_text(f"{enough}\n")
    except OSError as refused:
        say(
            f"fs.inotify.max_user_instances stays at {granted} ({refused.strerror}): few clusters fit beside others"
        )
        return
    say(f"fs.inotify.max_user_instances raised from {granted} to {enough}, until the next boot")
