"""Running the suites: the counts, and the criteria for failure."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from platformctl.app import Platform
from platformctl.dev import suites
from platformctl.errors import PlatformError
from rich.console import Console

GOOD = '<testsuites><testsuite tests="5" failures="0" errors="0" skipped="2"/></testsuites>'
BAD = '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="0"/></testsuites>'


@pytest.fixture
def platform(root: Path) -> Platform:
    return Platform(root, environ={})


def report(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "report.xml"
    file.write_text(text)
    return file


def test_passed_failed_and_skipped_are_counted_separately(tmp_path: Path) -> None:
    good = suites.read_report("a", report(tmp_path, GOOD), 0, 1.0)
    assert (good.passed, good.failed, good.skipped, good.is_good) == (3, 0, 2, True)
    bad = suites.read_report("a", report(tmp_path, BAD), 1, 1.0)
    assert (bad.passed, bad.failed, bad.skipped, bad.is_good) == (3, 2, 0, False)


@pytest.mark.parametrize(("code", "reason"), [(5, "no tests"), (-11, "ended with -11"), (3, "ended with 3")])
def test_a_suite_that_did_not_run_is_a_failure(tmp_path: Path, code: int, reason: str) -> None:
    result = suites.read_report("a", tmp_path / "missing.xml", code, 1.0)
    assert not result.is_good
    assert reason in result.broken


def test_a_crash_after_the_report_is_a_failure(tmp_path: Path) -> None:
    assert not suites.read_report("a", report(tmp_path, GOOD), 3, 1.0).is_good


def test_every_service_has_a_suite(platform: Platform) -> None:
    names = {suite.name for suite in suites.all_suites(platform)}
    assert set(platform.catalogue.services) <= names


def test_an_unusual_suite_runs_only_when_it_is_named(platform: Platform) -> None:
    assert "console-browser" not in {suite.name for suite in suites.select(platform, [])}
    assert [suite.name for suite in suites.select(platform, ["console-browser"])] == ["console-browser"]


def test_an_unknown_suite_is_refused_with_those_that_are_known(platform: Platform) -> None:
    with pytest.raises(PlatformError) as caught:
        suites.select(platform, ["ordres"])
    assert "ordres" in str(caught.value)
    assert "orders" in str(caught.value)


def small_suites(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **tests: str) -> tuple[int, str]:
    """Run suites of these test modules; returns the exit code and the output."""
    made = []
    for name, text in tests.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "test_it.py").write_text(text)
        made.append(suites.Suite(name, str(folder), alone=name.startswith("alone")))
    monkeypatch.setattr(suites, "all_suites", lambda _: made)
    # Other packages' pytest plugins take seconds to load, and these tests need none.
    monkeypatch.setattr(suites, "environment", lambda _: {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    monkeypatch.setattr(type(platform.paths), "test_results", tmp_path / "results")
    printed = io.StringIO()
    return suites.run(platform, [], Console(file=printed, width=200)), printed.getvalue()


def test_a_failing_suite_does_not_stop_the_next_and_the_last_line_has_the_totals(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = small_suites(
        platform,
        tmp_path,
        monkeypatch,
        bad="def test_a():\n    assert False\ndef test_b():\n    pass\n",
        good="import pytest\ndef test_c():\n    pass\ndef test_d():\n    pytest.skip('no')\n",
    )
    assert code == 1
    assert printed.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"
    assert sorted(file.name for file in (tmp_path / "results").iterdir()) == [
        "bad.txt",
        "bad.xml",
        "good.txt",
        "good.xml",
    ]
    assert "assert False" in printed


def test_success_has_exit_code_zero(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, printed = small_suites(platform, tmp_path, monkeypatch, good="def test_a():\n    pass\n")
    assert (code, printed.splitlines()[-1]) == (0, "1 passed, 0 failed, 0 skipped")


def test_a_suite_without_tests_fails_the_run(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = small_suites(platform, tmp_path, monkeypatch, good="def test_a():\n    pass\n", empty="")
    assert (code, printed.splitlines()[-1]) == (1, "1 passed, 1 failed, 0 skipped")


# Passes only if both suites run at the same time: pytest itself would wait for ever if they ran in sequence.
MEETS = """
import pathlib, time
def test_meets_the_other():
    here = pathlib.Path(__file__).parent
    (here / "begun").touch()
    deadline = time.monotonic() + 60
    while not (here.parent / "{other}" / "begun").exists():
        assert time.monotonic() < deadline, "the other suite did not begin while this one ran"
        time.sleep(0.05)
"""
FINDS_THEM_DONE = """
import pathlib
def test_the_others_have_ended():
    results = pathlib.Path(__file__).parent.parent / "results"
    assert {path.name for path in results.glob("*.xml")} == {"one.xml", "two.xml"}
"""


def test_suites_run_in_parallel_and_those_marked_alone_run_after_them(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = small_suites(
        platform,
        tmp_path,
        monkeypatch,
        alone=FINDS_THEM_DONE,
        one=MEETS.format(other="two"),
        two=MEETS.format(other="one"),
    )
    assert (code, printed.splitlines()[-1]) == (0, "3 passed, 0 failed, 0 skipped"), printed
