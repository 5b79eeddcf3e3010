"""The wording check finds retired words and phrases in all texts."""

import shutil
import subprocess
from pathlib import Path

import pytest
from platformctl.dev import words

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository with this one's lists."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / ".codespell", tmp_path / ".codespell")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(capfd: pytest.CaptureFixture[str], *paths: str) -> list[str]:
    """The output for the paths; fails if the exit code doesn't match it."""
    code = words.main(paths)
    lines = [line for line in capfd.readouterr().out.splitlines() if ":" in line]
    assert code == (1 if lines else 0)
    return lines


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("The operator was told.\n", "a.txt:1: told ==> notified"),
        ("def test_nobody_answers(): ...\n", "a.txt:1: nobody ==> no client"),
        ("class SomebodyElse: ...\n", "a.txt:1: Somebody ==> The on-call engineer"),
        ("# This is somebody's order.\n", "a.txt:1: somebody's ==> a client's"),
        ("one\nthe request in hand\n", "a.txt:2: in hand ==> current"),
        ("def test_requests_in_hand(): ...\n", "a.txt:1: in_hand ==> current"),
        ("# The requests in\n# hand are finished.\n", "a.txt:1: in # hand ==> current"),
        ("Teh order.\n", "a.txt:1: Teh ==> The"),
    ],
)
def test_a_retired_word_or_phrase_is_found(
    repository: Path, capfd: pytest.CaptureFixture[str], text: str, finding: str
) -> None:
    (repository / "a.txt").write_text(text)
    lines = found(capfd)
    assert len(lines) == 1
    assert lines[0].startswith(finding)


@pytest.mark.parametrize(
    "text",
    [
        "The request is handled, by hand, in handy units.\n",
        "The owner was told.  # codespell:ignore told\n",
        "The work in hand.  # codespell:ignore\n",
        "alert: ConsumerGone\n",
    ],
)
def test_allowed_text_is_not_found(repository: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    (repository / "a.txt").write_text(text)
    assert found(capfd) == []


def test_results_locks_and_generated_files_are_skipped(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("requirements.lock", "load/results/a.json", "alerts/rules/a.yml", "a_pb2.pyi"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("told in hand\n")
    assert found(capfd) == []


def test_only_the_given_paths_are_read(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("a/a.txt", "b/b.txt"):
        (repository / name).parent.mkdir()
        (repository / name).write_text("told\n")
    assert [line.split(":")[0] for line in found(capfd, "b")] == ["b/b.txt"]
