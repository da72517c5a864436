"""An ISO 9660 image that cloud-init takes for its own: volume label cidata, with Joliet and Rock Ridge names."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pycdlib

_LABEL = "cidata"


def image(files: Mapping[str, bytes]) -> bytes:
    """The image that holds these files in its root."""
    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=_LABEL)
    for name, content in files.items():
        # ISO 9660 itself knows only capitals; guests read the other two names.
        plain = name.upper().replace("-", "_")
        disk.add_fp(io.BytesIO(content), len(content), f"/{plain}.;1", rr_name=name, joliet_path=f"/{name}")
    made = io.BytesIO()
    disk.write_fp(made)
    disk.close()
    return made.getvalue()
