"""Runbooks as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from shell import runbooks


def test_each_runbook_opens(viewer_client: Client) -> None:
    names = runbooks.names()
    assert "EdgeErrors" in names
    for name in names:
        answer = viewer_client.get(f"/runbooks/{name}")
        assert answer.status_code == 200, name
        assert "<h2>Meaning</h2>" in answer.content.decode(), name


def test_the_list_links_to_each(viewer_client: Client) -> None:
    html = viewer_client.get("/runbooks").content.decode()
    for name in runbooks.names():
        assert f'href="/runbooks/{name}"' in html


@pytest.mark.parametrize("name", ["Nothing", "..%2F..%2FREADME", "EdgeErrors.md", "%00"])
def test_an_unknown_runbook_is_not_found(viewer_client: Client, name: str) -> None:
    assert viewer_client.get(f"/runbooks/{name}").status_code == 404


def test_html_and_scripts_in_a_runbook_stay_text(settings: Any, tmp_path: Path) -> None:
    settings.RUNBOOKS_DIR = tmp_path
    (tmp_path / "Bad.md").write_text(
        "# Bad\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) ![y](http://a.example/b)\n"
    )
    found = runbooks.find("Bad")
    assert found is not None
    assert "<script" not in found.html
    assert 'href="javascript' not in found.html
    assert "<img" not in found.html
