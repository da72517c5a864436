"""The machine's limit on inotify instances is raised, never lowered, and a refusal is told."""

from pathlib import Path

import pytest

from orlop_cluster.limits import raise_inotify


@pytest.mark.parametrize(("granted", "after"), [("128\n", "1024\n"), ("8192\n", "8192\n")])
def test_it_only_grows(tmp_path: Path, granted: str, after: str) -> None:
    file = tmp_path / "max_user_instances"
    file.write_text(granted)
    raise_inotify(file)
    assert file.read_text() == after


def test_a_refusal_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "max_user_instances"
    file.write_text("128\n")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    raise_inotify(file)
    assert "stays at 128 (Permission denied)" in capsys.readouterr().err
