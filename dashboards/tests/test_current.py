"""The committed files are what the builder builds, and its check detects when they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import grafana
import pytest
from dashboards.builder.__main__ import main, stale, write
from dashboards.builder.boards import every


def test_the_committed_dashboards_are_current() -> None:
    assert stale() == [], "run `python -m dashboards.builder` and commit the files"


def test_there_is_a_file_for_every_dashboard_and_no_other() -> None:
    assert {path.name for path in grafana.files()} == {board.file_name for board in every()}


def test_building_twice_gives_the_same_text() -> None:
    assert [board.render() for board in every()] == [board.render() for board in every()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in grafana.files():
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def test_a_changed_file_is_stale_until_it_is_written_again(copy: Path) -> None:
    changed = copy / "platform-overview.json"
    changed.write_text(changed.read_text().replace("Overview", "Overlook"))
    assert stale(copy) == ["platform-overview.json"]
    assert write(copy) == ["platform-overview.json"]
    assert stale(copy) == []


def test_a_missing_file_and_one_that_belongs_to_no_dashboard_are_stale(copy: Path) -> None:
    (copy / "platform-django.json").unlink()
    (copy / "old.json").write_text("{}")
    assert stale(copy) == ["old.json", "platform-django.json"]
    write(copy)
    assert not (copy / "old.json").exists()


def test_the_check_changes_nothing_and_passes_on_current_files(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in grafana.files()}
    assert main(["--check"]) == 0
    assert {path: path.stat().st_mtime_ns for path in grafana.files()} == before
    assert capsys.readouterr().err == ""
