"""Links of Markdown files: found, resolved, and rewritten where the site doesn't have their target."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from platform_docs import fences
from platform_docs.repository import ROOT

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6}[ \t]+(?P<text>.+?)[ \t#]*$", re.MULTILINE)
_EXTERNAL = re.compile(r"^[a-z][a-z0-9+.-]*:|^//")


@dataclass(frozen=True)
class Link:
    """A link of one file. `path` is its target from the repository's root, empty for the file itself."""

    target: str
    path: str
    anchor: str


def internal(source: Path, markdown: str) -> Iterator[Link]:
    """Links to files of this repository, of a file whose path from the root is `source`."""
    prose = _CODE.sub("``", fences.without(markdown))
    for found in _LINK.finditer(prose):
        target = found["target"]
        if _EXTERNAL.match(target):
            continue
        path, _, anchor = target.partition("#")
        yield Link(target, _from_root(source, path), unquote(anchor))


def _from_root(source: Path, path: str) -> str:
    if not path:
        return ""
    return posixpath.normpath(posixpath.join(source.parent.as_posix(), unquote(path)))


def anchors(markdown: str) -> set[str]:
    """The anchors of a file's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in _HEADING.finditer(fences.without(markdown)):
        base = slug(_LINK.sub(lambda link: link["text"], heading["text"]))
        number, name = 0, base
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found


def slug(heading: str) -> str:
    """A heading's anchor: lower case, punctuation dropped, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")


def rewritten(source: Path, markdown: str, repo_url: str | None) -> str:
    """Links from a page in docs/ to files outside of it: to the hosted repository, or plain text without one.

    Raises FileNotFoundError for a target that the repository doesn't have.
    """

    def replace(found: re.Match[str]) -> str:
        target = found["target"]
        if _EXTERNAL.match(target) or target.startswith("#"):
            return found[0]
        path = _from_root(source, target.partition("#")[0])
        if path.startswith("docs/"):
            return found[0]
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source}: links to {target}, which is not in the repository")
        if found["image"]:
            return found[0]
        text = found["text"]
        if repo_url:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"[{text}]({repo_url.rstrip('/')}/{kind}/main/{path})"
        return text if text.strip("`").rstrip("/") == path else f"{text} (`{path}`)"

    lines = markdown.split("\n")
    for number, line in enumerate(fences.without(markdown).split("\n")):
        if line:
            lines[number] = _LINK.sub(replace, line)
    return "\n".join(lines)
