"""The Image, once it is there, Ready, and small enough for the Flavor. Pure."""

from __future__ import annotations

from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.condition import find, is_true
from orlop_api.image import Image
from orlop_api.quantity import from_bytes, to_bytes
from orlop_operator.reconcile.instance.facts import Blocker, Facts, named
from orlop_operator.reconcile.rights import may_log_in
from orlop_operator.reconcile.source import located, located_file

TYPE = "ImageReady"


def resolve(facts: Facts) -> AssignedImage | Blocker:
    """The image as the node is told, or what it waits for."""
    reference = facts.instance.spec.boot.image_ref
    if reference is None:
        raise AssertionError
    what = named("Image", reference.namespace or facts.instance.metadata.namespace, reference.name)
    found = pinned(facts.image, what)
    if isinstance(found, Blocker) or facts.image is None:
        return found
    lost = may_log_in(facts.image, facts.answers)
    if isinstance(lost, Blocker) and not facts.cached(found.digest):
        return Blocker(lost.reason, f"{lost.message}, and none that is Ready has it already")
    return _too_large(facts, facts.image, what) or found


def pinned(image: Image | None, what: str) -> AssignedImage | Blocker:
    """The image as a node is told, or why it cannot be used yet."""
    if image is None:
        return Blocker("ImageNotFound", f"{what} does not exist")
    if image.metadata.deleting:
        return Blocker("ImageNotReady", f"{what} is being deleted")
    status = image.status
    if status is None or not is_true(status.conditions, "Ready"):
        ready = find(status.conditions, "Ready") if status else None
        why = f": {ready.message or ready.reason}" if ready else ""
        # A checksum that is wrong, or a file that is not there, is what the user has to know here too.
        reason = ready.reason if ready and find(status.conditions if status else (), "Stalled") else ""
        return Blocker(reason or "ImageNotReady", f"{what} is not ready{why}")
    return assigned(image)


def _too_large(facts: Facts, image: Image, what: str) -> Blocker | None:
    flavor, status, requirements = facts.flavor, image.status, image.spec.requirements
    if flavor is None or status is None:
        return None
    disk, memory = to_bytes(flavor.spec.root_disk), to_bytes(flavor.spec.memory)
    needed = status.virtual_size_bytes or 0
    if requirements is not None and requirements.min_disk is not None:
        needed = max(needed, to_bytes(requirements.min_disk))
    name = flavor.metadata.name
    if needed > disk:
        return Blocker(
            "FlavorTooSmall",
            f"{what} needs a root disk of {from_bytes(needed)}, Flavor {name} has {flavor.spec.root_disk}",
        )
    if requirements is not None and requirements.min_memory is not None:
        needed = to_bytes(requirements.min_memory)
        if needed > memory:
            return Blocker(
                "FlavorTooSmall",
                f"{what} needs {from_bytes(needed)} of memory, Flavor {name} has {flavor.spec.memory}",
            )
    return None


def assigned(image: Image) -> AssignedImage | Blocker:
    """What a node is told of a pinned Image."""
    spec, status = image.spec, image.status
    if status is None or status.digest is None or status.format is None:
        return Blocker(
            "ImageNotReady", f"{named('Image', image.metadata.namespace, image.metadata.name)} is not pinned"
        )
    boot = spec.kernel_boot
    kernel = initrd = None
    if boot is not None and status.kernel_digest:
        kernel = BootFile(source=located_file(boot.kernel), digest=status.kernel_digest)
    if boot is not None and boot.initrd is not None and status.initrd_digest:
        initrd = BootFile(source=located_file(boot.initrd), digest=status.initrd_digest)
    return AssignedImage(
        source=located(image),
        digest=status.digest,
        content_digest=status.content_digest,
        checksum=spec.checksum,
        format=status.format,
        virtual_size_bytes=status.virtual_size_bytes or 0,
        kernel=kernel,
        initrd=initrd,
        command_line=boot.command_line if boot else "",
    )
