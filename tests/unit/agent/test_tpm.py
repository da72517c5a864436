"""Where an Instance's TPM keeps what it holds."""

from pathlib import Path

from orlop_agent import tpm
from orlop_agent.paths import Layout

UID = "6f1c1c1e-0000-4000-8000-000000000001"


def test_it_is_with_the_disks(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    layout.instance(UID).mkdir()
    for _ in range(2):
        tpm.link(layout, UID)
        assert layout.tpm_link(UID).resolve() == layout.tpm(UID)
    (layout.tpm_link(UID) / "tpm2").mkdir()
    tpm.link(layout, UID)
    assert (layout.tpm(UID) / "tpm2").is_dir()
    tpm.unlink(layout, UID)
    tpm.unlink(layout, UID)
    assert not layout.tpm_link(UID).is_symlink()
    assert (layout.tpm(UID) / "tpm2").is_dir()


def test_a_link_that_leads_elsewhere_is_made_anew(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    layout.instance(UID).mkdir()
    layout.tpm_states.mkdir(parents=True)
    layout.tpm_link(UID).symlink_to(tmp_path / "elsewhere")
    tpm.link(layout, UID)
    assert layout.tpm_link(UID).readlink() == layout.tpm(UID)
