"""What opens the data of Volumes, out of the node's Secrets: for the hypervisor, and for this node's programs."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from orlop_agent.api.errors import ApiError, NotFoundError
from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import Hypervisor, HypervisorError
from orlop_agent.volume import iscsi, luks, rbd
from orlop_api.assignment import AssignedSecret, AssignedVolume
from orlop_api.attachment import chap_key, luks_key
from orlop_api.ceph import CEPH_KEY, ceph_key
from orlop_api.volume_class import VolumeLocation

_log = structlog.get_logger()


class Secrets(Protocol):
    """Reads the node's own."""

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret's data, in base64; NotFoundError, ApiError."""


class Credentials:
    """Reads them anew whenever they are needed, so that a key that was replaced is known with the next order."""

    def __init__(self, client: Secrets, hypervisor: Hypervisor) -> None:
        self._client = client
        self._hypervisor = hypervisor
        self._ceph: dict[str, str] = {}
        """Keys of Ceph users, by the Secret that the platform keeps them in."""
        self._chap: dict[str, bytes] = {}
        """Secrets of iSCSI accounts, by the uid of their Volume."""

    async def text(self, where: AssignedSecret | None, key: str, reason: str, what: str) -> bytes:
        """One text of those that an order names. StepError with this reason."""
        if where is None or key not in where.keys:
            raise StepError(reason, f"{what} is not on its node yet")
        try:
            secret = await self._client.secret(where.namespace, where.name)
            return base64.b64decode(secret[key], validate=True)
        except NotFoundError as error:
            raise StepError(reason, f"{what} is not on its node yet") from error
        except (KeyError, binascii.Error) as error:
            raise StepError(reason, f"the node's copy of {what} is damaged") from error
        except ApiError as error:
            raise StepError(reason, f"{what} cannot be read now") from error

    async def have(
        self, volume_uid: str, location: VolumeLocation | None, secret: AssignedSecret | None
    ) -> None:
        """Have at hand what opens a Volume's data. StepError: CredentialsMissing."""
        unit, image = (location.iscsi, location.rbd) if location is not None else (None, None)
        if unit is not None and unit.account is not None:
            what = f"the CHAP secret of volume {volume_uid}"
            chap = await self.text(secret, chap_key(volume_uid), "CredentialsMissing", what)
            await self._hypervisor.keep_secret("iscsi", iscsi.secret_name(volume_uid), chap)
            if location is not None and location.encryption is not None:
                # Its header is read before the hypervisor reads it.
                self._chap[volume_uid] = chap
        if image is not None and image.credentials is not None:
            what = f"the key of Ceph user {image.user} (key {CEPH_KEY} of Secret orlop-system/{image.credentials})"
            key = (await self.text(secret, ceph_key(image.credentials), "CredentialsMissing", what)).strip()
            try:
                # libvirt has the key itself, and says it in base64 as Ceph does.
                raw = base64.b64decode(key, validate=True)
            except binascii.Error as error:
                message = f"Secret orlop-system/{image.credentials} has no cephx key: `ceph auth get-key` prints one"
                raise StepError("CredentialsDamaged", message) from error
            await self._hypervisor.keep_secret("ceph", rbd.secret_name(image.credentials), raw)
            self._ceph[image.credentials] = key.decode()

    async def passphrase(
        self, uid: str, location: VolumeLocation, secret: AssignedSecret | None, what: str
    ) -> bytes | None:
        """Of encrypted data; None for other. StepError: KeyMissing, KeyInvalid."""
        if location.encryption is None:
            return None
        said = f"the passphrase of {what}"
        return luks.checked(await self.text(secret, luks_key(uid), "KeyMissing", said), said)

    async def of_volume(self, volume: AssignedVolume, secret: AssignedSecret | None) -> bytes | None:
        """The same for a Volume in an order."""
        return await self.passphrase(volume.volume_uid, volume.location, secret, f"disk {volume.name}")

    @asynccontextmanager
    async def handed(
        self, disks: Sequence[Disk], volumes: Iterable[AssignedVolume], secret: AssignedSecret | None
    ) -> AsyncIterator[None]:
        """Have the hypervisor open encrypted ones of these, and forget their passphrases whatever becomes of it.

        StepError: KeyMissing, KeyInvalid.
        """
        by_uid = {volume.volume_uid: volume for volume in volumes}
        try:
            for disk in disks:
                volume = by_uid.get(disk.volume_uid or "")
                if disk.luks is None or volume is None:
                    continue
                passphrase = await self.of_volume(volume, secret)
                if passphrase is not None:
                    await self._hypervisor.keep_secret("volume", disk.luks.secret, passphrase)
            yield
        finally:
            await asyncio.shield(asyncio.ensure_future(self._forget(disks)))

    async def _forget(self, disks: Sequence[Disk]) -> None:
        """What cannot be forgotten ends with libvirt's own process, and harms no guest."""
        for disk in disks:
            if disk.luks is None:
                continue
            try:
                await self._hypervisor.forget_secret(disk.luks.secret)
            except HypervisorError as error:
                _log.warning("secret.kept", secret=disk.luks.secret, error=str(error))

    def chap(self, volume_uid: str) -> bytes:
        """The secret of an encrypted Volume's account, once it was needed. StepError: CredentialsMissing."""
        try:
            return self._chap[volume_uid]
        except KeyError:
            raise StepError(
                "CredentialsMissing", f"the CHAP secret of volume {volume_uid} is not on the node yet"
            ) from None

    def ceph(self, credentials: str) -> str:
        """The key of a Ceph user, once it was needed. StepError: CredentialsMissing."""
        try:
            return self._ceph[credentials]
        except KeyError:
            raise StepError("CredentialsMissing", "the key of its Ceph user is not on the node yet") from None
