"""Every link between files of this repository leads to a file, a folder or a heading that exists."""

from __future__ import annotations

from pathlib import Path

import pytest
from platform_docs import links
from platform_docs.reference import pages
from platform_docs.repository import ROOT, tracked


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """Pages that exist on the site only, by their path in docs/."""
    return {f"docs/{address}": content for address, content in pages().items()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", tracked("*.md"), ids=str)
def test_links_lead_somewhere(source: Path, generated: dict[str, str]) -> None:
    broken = [
        link.target
        for link in links.internal(source, (ROOT / source).read_text())
        if not _exists(link, source, generated)
    ]
    assert not broken


def _exists(link: links.Link, source: Path, generated: dict[str, str]) -> bool:
    path = ROOT / (link.path or source)
    # A page outside of docs/ is read where generated pages don't exist.
    in_docs = source.parts[0] == "docs"
    if in_docs and link.path in generated:
        return not link.anchor or link.anchor in links.anchors(generated[link.path])
    if not path.exists():
        return False
    return not link.anchor or (path.is_file() and link.anchor in links.anchors(path.read_text()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md)", ["docs/b.md"]),
        ("[a](../README.md#x)", ["README.md"]),
        ("![a](c.png)", ["docs/c.png"]),
        ("[a](https://example.com/b.md)", []),
        ("`[a](b.md)`", []),
        ("```sh\n[a](b.md)\n```", []),
        ("[a](#here)", [""]),
    ],
)
def test_links_are_found(text: str, expected: list[str]) -> None:
    assert [link.path for link in links.internal(Path("docs/a.md"), text)] == expected


def test_anchors_are_those_of_github() -> None:
    text = "# A `b`: c, d\n## A\n## A\n```sh\n# no heading\n```\n"
    assert links.anchors(text) == {"a-b-c-d", "a", "a-1"}


def test_a_link_out_of_the_site_becomes_text() -> None:
    source = Path("docs/a.md")
    assert links.rewritten(source, "[the list](../README.md) `x`", None) == "the list (`README.md`) `x`"
    hosted = links.rewritten(source, "[the list](../README.md)", "https://example.com/r")
    assert hosted == "[the list](https://example.com/r/blob/main/README.md)"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        links.rewritten(source, "[x](../nowhere.md)", None)
