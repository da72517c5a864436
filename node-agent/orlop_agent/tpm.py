"""Where an Instance's TPM keeps what it holds: with the Instance's disks, so that they live and go together.

Libvirt has a place of its own for that, by the domain's UUID, and can be told another one only since 10.10; so there is
a link in it. A guest may have sealed the key of its disk there: the two must never be apart.
"""

from __future__ import annotations

from orlop_agent.paths import Layout

_MODE = 0o711
"""The emulator, which has a user of its own, passes through; what it makes below is its own."""


def link(layout: Layout, instance_uid: str) -> None:
    """Have the place at hand before the domain is created. OSError."""
    state, found = layout.tpm(instance_uid), layout.tpm_link(instance_uid)
    state.mkdir(mode=_MODE, exist_ok=True)
    state.chmod(_MODE)
    found.parent.mkdir(mode=_MODE, parents=True, exist_ok=True)
    if found.is_symlink() and found.readlink() == state:
        return
    unlink(layout, instance_uid)
    found.symlink_to(state)


def unlink(layout: Layout, instance_uid: str) -> None:
    """Take the link away; what it leads to goes with the Instance's disks."""
    layout.tpm_link(instance_uid).unlink(missing_ok=True)
