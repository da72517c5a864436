"""What is kept of a guest on its node."""

from pathlib import Path

from orlop_agent import told
from orlop_agent.metadata.guest import Guest
from orlop_agent.paths import Layout
from support.known import KEY, asking, ordered


def kept(root: Path, **fields: object) -> dict[str, Path]:
    layout = Layout(root)
    layout.instance("uid-1").mkdir(parents=True)
    spec = ordered("uid-1", "web-1", [asking("10.10.0.20", **fields)], [("me", KEY)])
    assert told.write(layout, spec, b"secret") == layout.seed("uid-1")
    return {path.name: path for path in layout.instance("uid-1").iterdir()}


def test_what_may_hold_user_data_is_for_nobody_else(tmp_path: Path):
    files = kept(tmp_path)
    assert set(files) == {"seed.iso", "metadata.json"}
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    guest = Guest.read(files["metadata.json"].read_bytes())
    assert (guest.uid, guest.user_data, guest.keys) == ("uid-1", b"secret", (("me", KEY),))


def test_without_metadata_there_is_the_seed_alone(tmp_path: Path):
    assert set(kept(tmp_path, metadata="Disabled")) == {"seed.iso"}
