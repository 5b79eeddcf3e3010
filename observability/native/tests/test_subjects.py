"""The check of commit subjects."""

import subprocess
from pathlib import Path

import pytest
from platformctl.dev import subjects

SCOPES = ["alerts", "orders"]


@pytest.mark.parametrize(
    "subject",
    [
        "orders: Reject an order without items",
        "alerts: Press on",
        "alerts: Feed the watchdog from one place",
        'Revert "orders: Reject an order without items"',
        "Merge branch 'main' into topic",
    ],
)
def test_a_subject_with_scope_and_imperative_passes(subject: str) -> None:
    assert subjects.problems(subject, SCOPES) == []


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("", "not `scope:"),
        ("Reject an order without items", "not `scope:"),
        ("orders:Reject an order", "not `scope:"),
        ("order: Reject an order", "'order' is no scope; allowed: alerts, orders"),
        ("orders: reject an order", "small letter"),
        ("orders: Rejected an order", "not an imperative"),
        ("orders: Rejects an order", "not an imperative"),
        ("orders: Rejecting an order", "not an imperative"),
        ("orders: Reject an order.", "full stop"),
        (f"orders: Reject {'x' * 80}", "has 95 characters; at most 90"),
    ],
)
def test_any_other_subject_is_rejected_with_the_reason(subject: str, problem: str) -> None:
    (found,) = subjects.problems(subject, SCOPES)
    assert problem in found


def test_services_of_the_catalogue_are_scopes() -> None:
    assert {"orders", "console", "telemetry"} <= set(subjects.scopes())


def test_a_message_is_checked_by_its_first_line_that_is_not_a_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text("# a template\n\norders: Reject an order\n\nbecause\n")
    assert subjects.main(["--message", str(message)]) == 0
    message.write_text("# orders: Reject an order\nReject an order\n")
    assert subjects.main(["--message", str(message)]) == 1
    assert "'Reject an order'" in capsys.readouterr().err


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three commits: one from before the rule, which is on main, a valid one, an invalid one."""
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for subject in ("Old style", "orders: Reject an order", "wrong"):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", subject], check=True)
    subprocess.run([*git, "update-ref", "refs/remotes/origin/main", "HEAD~2"], check=True)
    return tmp_path


def test_only_commits_after_the_base_are_checked(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert subjects.main(["--since", "HEAD"]) == 0
    assert subjects.main(["--since", "HEAD~2"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_known_base_commits_after_main_are_checked(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert subjects.main(["--since", "0" * 40]) == 1
    assert capsys.readouterr().err.startswith("'wrong'")
