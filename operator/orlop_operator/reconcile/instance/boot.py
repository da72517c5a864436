"""What the machine boots from: an Image, or a Volume with what that began as. Pure.

Nova keeps an image's properties with the volume that is made of it (`volume_image_metadata`), kernel and least sizes
among them; here `Volume.status.image` is that, and the Image may be gone.
"""

from __future__ import annotations

from orlop_api.assigned_image import AssignedImage
from orlop_api.hardware import Hardware
from orlop_api.quantity import from_bytes, to_bytes
from orlop_api.requirements import Requirements
from orlop_api.volume import Volume, VolumeImage
from orlop_api.volume_class import Driver
from orlop_operator.reconcile.instance import image, origins
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts, named
from orlop_operator.reconcile.instance.hardware import merged
from orlop_operator.reconcile.location import pinned


def resolve(facts: Facts) -> AssignedImage | Blocker | None:
    """The image as the node is told, or what it waits for; None for a Volume that began as none."""
    found = _resolve(facts)
    if isinstance(found, Blocker):
        return found
    made = _merged(facts)
    return made if isinstance(made, Blocker) else found


def _resolve(facts: Facts) -> AssignedImage | Blocker | None:
    disk = facts.boot_disk
    if disk is None:
        return image.resolve(facts)
    if disk.volume is None:
        return None  # which is the word of VolumesReady
    began = _began_as(disk, facts)
    if began is None:
        return None
    return _too_small(facts, disk.volume, began) or AssignedImage(
        **began.model_dump(exclude={"requirements"})
    )


def requirements(facts: Facts) -> Requirements | None:
    """What a machine must have."""
    if facts.boot_disk is not None:
        began = _began_as(facts.boot_disk, facts)
        return began.requirements if began is not None else None
    return facts.image.spec.requirements if facts.image is not None else None


def hardware(facts: Facts) -> Hardware | None:
    """What is not the default of the machine's hardware; None also where `resolve` has a blocker for it."""
    made = _merged(facts)
    return None if isinstance(made, Blocker) else made


def data_follows(facts: Facts) -> bool:
    """Whether every disk of the machine is where all nodes reach it, so that nothing holds it on its node.

    What a TPM holds is on its node: without it the guest may never read its disks again.
    """
    if _has_tpm(facts):
        return False
    places = [pinned(disk.volume) for disk in facts.disks if disk.volume is not None]
    return (
        facts.boot_disk is not None
        and len(places) == len(facts.disks)
        and all(place is not None and place.driver is not Driver.LOCAL for place in places)
    )


def _has_tpm(facts: Facts) -> bool:
    """By what is known without a question: of a Volume that is not made yet nothing has started."""
    asked, disk = facts.instance.spec.hardware, facts.boot_disk
    made = _known(disk) if disk is not None else None
    needs = made.requirements if made is not None else None
    return (asked is not None and asked.tpm is not None) or (needs is not None and needs.tpm is not None)


def _merged(facts: Facts) -> Hardware | Blocker | None:
    disk, reference = facts.boot_disk, facts.instance.spec.boot.image_ref
    if disk is not None and disk.volume is not None:
        about = disk.volume.metadata
        what = f"the image that {named('Volume', about.namespace, about.name)} began as"
    else:
        namespace = facts.instance.metadata.namespace
        what = named("Image", reference.namespace or namespace, reference.name) if reference else "the image"
    return merged(facts.instance.spec.hardware, requirements(facts), what)


def _began_as(disk: DiskFacts, facts: Facts) -> VolumeImage | None:
    known = _known(disk)
    if known is not None:
        return known
    origin = origins.resolve(disk, facts.answers)
    return origin.image if isinstance(origin, origins.Origin) else None


def _known(disk: DiskFacts) -> VolumeImage | None:
    """The image that its data came from, once there is data."""
    return disk.volume.status.image if disk.volume is not None and disk.volume.status is not None else None


def _too_small(facts: Facts, volume: Volume, began: VolumeImage) -> Blocker | None:
    needs, flavor = began.requirements, facts.flavor
    if needs is None:
        return None
    what = named("Volume", volume.metadata.namespace, volume.metadata.name)
    least = to_bytes(needs.min_disk) if needs.min_disk is not None else 0
    if to_bytes(volume.spec.size) < least:
        message = f"the image that {what} began as needs a disk of {from_bytes(least)}, and it has {volume.spec.size}"
        return Blocker("VolumeTooSmall", f"{message}: raise its spec.size")
    memory = to_bytes(needs.min_memory) if needs.min_memory is not None else 0
    if flavor is not None and to_bytes(flavor.spec.memory) < memory:
        message = f"the image that {what} began as needs {from_bytes(memory)} of memory"
        return Blocker("FlavorTooSmall", f"{message}, Flavor {flavor.metadata.name} has {flavor.spec.memory}")
    return None
