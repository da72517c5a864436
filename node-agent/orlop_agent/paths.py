"""Where things are on the node: every path of the agent, below one root so that tests can have their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below `root`; those of an Instance are made of its uid, never of a name that a user chose."""

    root: Path = Path("/")

    @property
    def data(self) -> Path:
        """The data pool."""
        return self.root / "var/lib/orlop"

    @property
    def run(self) -> Path:
        """What does not outlive a boot."""
        return self.root / "run/orlop"

    @property
    def pool_id(self) -> Path:
        """The data pool's random name."""
        return self.data / "pool-id"

    @property
    def images(self) -> Path:
        """The image cache."""
        return self.data / "images"

    @property
    def volumes(self) -> Path:
        """The class `local`."""
        return self.data / "volumes"

    @property
    def shared(self) -> Path:
        """The class `shared`: one mount point for each pool."""
        return self.data / "shared"

    @property
    def targets(self) -> Path:
        """What this node serves by iSCSI: one file for each target, and a record of it."""
        return self.data / "targets"

    @property
    def instances(self) -> Path:
        """One directory for each Instance that has disks here."""
        return self.data / "instances"

    @property
    def tpm_states(self) -> Path:
        """Libvirt's directory of what TPMs hold, by the UUID of their domain."""
        return self.root / "var/lib/libvirt/swtpm"

    @property
    def exports(self) -> Path:
        """Sockets at which QEMU offers disks of running guests to the agent."""
        return self.run / "exports"

    @property
    def journal(self) -> Path:
        """What the agent must not forget, one file for each Instance."""
        return self.data / "journal"

    @property
    def console(self) -> Path:
        """Serial consoles, written and rotated by virtlogd."""
        return self.root / "var/log/orlop/console"

    @property
    def lock(self) -> Path:
        """Held by the one agent of the node."""
        return self.run / "agent.lock"

    def instance(self, uid: str) -> Path:
        """The Instance's own disks."""
        return self.instances / uid

    def root_disk(self, uid: str) -> Path:
        """The overlay over the image."""
        return self.instance(uid) / "root.qcow2"

    def nvram(self, uid: str) -> Path:
        """UEFI's variables, which libvirt makes."""
        return self.instance(uid) / "nvram.fd"

    def tpm(self, uid: str) -> Path:
        """What the TPM holds."""
        return self.instance(uid) / "tpm"

    def tpm_link(self, uid: str) -> Path:
        """Where libvirt looks for it: it names the place itself."""
        return self.tpm_states / uid

    def disk_folders(self) -> list[Path]:
        """Where disks are that may have a cached image as their base."""
        own = self.instances.iterdir() if self.instances.is_dir() else ()
        return [self.volumes, *own]

    def seed(self, uid: str) -> Path:
        """The NoCloud disk."""
        return self.instance(uid) / "seed.iso"

    def metadata(self, uid: str) -> Path:
        """What the guest may know of itself; it holds user data."""
        return self.instance(uid) / "metadata.json"

    def console_log(self, uid: str) -> Path:
        """The Instance's serial console."""
        return self.console / f"{uid}.log"

    def prepare(self) -> None:
        """Make the directories; QEMU's user must be able to pass through those with disks."""
        disks = (self.data, self.instances, self.volumes, self.shared, self.targets)
        for directory in (*disks, self.journal, self.console, self.run, self.exports):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        # QEMU runs as a user of its own and makes its sockets here; nobody can list or replace another's.
        self.exports.chmod(0o1733)
