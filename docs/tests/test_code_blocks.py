"""Every code block that can be run is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_docs import fences
from platform_docs.repository import ROOT, tracked
from pytest_httpserver import HTTPServer

RUNNABLE = {"sh", "bash", "shell", "console", "python", "py"}
# Runbooks have a test of their own, which knows which alert they are for.
FILES = [path for path in tracked("*.md") if "runbooks" not in path.parts]
INSTRUMENT = Path("docs/how-to/instrument-your-project.md")
# What must be undone even if a page's commands stop halfway.
CLEAN_UP = {"docs/tutorials/break-it.md": "observability/native/bootstrap signal payments CONT"}


def _blocks(path: Path) -> Iterator[fences.Block]:
    return fences.blocks((ROOT / path).read_text())


def _with(*languages: str) -> list[Path]:
    return [path for path in FILES if any(block.is_run and block.language in languages for block in _blocks(path))]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_block_is_marked_to_be_run_or_says_why_not(path: Path) -> None:
    for block in _blocks(path):
        assert block.language, f"line {block.line}: a block without a language; text is one"
        if block.language in RUNNABLE:
            is_marked = block.is_run or block.is_run_in_project or block.reason_not_run
            assert is_marked, f"line {block.line}: mark it {{run}} or {{not-run: reason}}"


@pytest.mark.parametrize("path", _with("python", "py"), ids=str)
def test_python_blocks_run(path: Path) -> None:
    for block in _blocks(path):
        if block.is_run and block.language in ("python", "py"):
            done = subprocess.run(
                [sys.executable, "-c", block.text], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"{path}, line {block.line}: {done.stderr[-2000:]}"


@pytest.mark.timeout(180)
def test_a_new_project_is_instrumented_as_the_how_to_says(tmp_path: Path, httpserver: HTTPServer) -> None:
    """With a server of its own in place of the collector and of Sentry."""
    httpserver.expect_request("/v1/traces").respond_with_data(b"", content_type="application/x-protobuf")
    httpserver.expect_request("/api/1/envelope/").respond_with_json({})
    blocks = [block for block in _blocks(INSTRUMENT) if block.is_run_in_project]
    settings = [block.text for block in blocks if block.language == "python"]
    script = "".join(block.text for block in blocks if block.language == "sh")
    for shown, here in (
        ("http://collector:4318", httpserver.url_for("").rstrip("/")),
        ("https://key@sentry.example.com", f"http://key@{httpserver.host}:{httpserver.port}"),
        ("TELEMETRY_METRICS_PORT=9100", "TELEMETRY_METRICS_PORT=0"),
    ):
        assert shown in script, shown
        script = script.replace(shown, here)
    assert _shell("django-admin startproject shop .", tmp_path).returncode == 0
    with (tmp_path / "shop" / "settings.py").open("a") as file:
        file.writelines(settings)
    # `check` doesn't import middlewares; a request does.
    request = "from django.test import Client; assert Client().get('/').headers['traceresponse']"
    done = _shell(f'{script}python manage.py shell -c "{request}"\n', tmp_path)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    received = {request.path for request, _ in httpserver.log}
    assert received == {"/v1/traces", "/api/1/envelope/"}


@pytest.mark.live
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", _with("sh", "bash"), ids=str)
def test_shell_blocks_run_one_after_the_other(path: Path) -> None:
    """In one shell, so that a block sees the variables of those before it."""
    script = "".join(
        f"echo '--- line {block.line}'\n{block.text}"
        for block in _blocks(path)
        if block.is_run and block.language in ("sh", "bash")
    )
    try:
        done = _shell(script)
    finally:
        if clean_up := CLEAN_UP.get(path.as_posix()):
            _shell(clean_up)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _shell(script: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )


def test_marks_are_read() -> None:
    text = "```sh {run}\nls\n```\n\n```python {not-run: it needs a moon}\nfly()\n```\n\n```mermaid\na\n```\n"
    first, second, third = fences.blocks(text)
    assert (first.language, first.is_run, first.text, first.line) == ("sh", True, "ls\n", 2)
    assert (second.is_run, second.reason_not_run) == (False, "it needs a moon")
    assert (third.is_run, third.reason_not_run) == (False, "")
