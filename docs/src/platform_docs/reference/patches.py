"""What the library patches in other packages, and which of their private names it uses."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

FOLDER = ROOT / "observability" / "django_telemetry"
SOURCE = FOLDER / "patches.yaml"
LIBRARY = FOLDER / "src" / "django_telemetry"
_INTRODUCTION = """\
# What we patch

`django_telemetry` changes a few functions of other packages while a process runs, and uses private names of theirs to
keep requests cheap. This page lists all of it; a test compares the list with the source. Why we accept it:
[ADR 3](../adr/0003-private-sdk-apis-in-the-hot-path.md). How to upgrade: [upgrading](../upgrading.md).

Each use has a test that fails when the other package changes. `opentelemetry-sdk` is pinned to one version for the
same reason.
"""


@dataclass
class Uses:
    """Private names that the source uses: name → files. `foreign` are those that no class of the library defines."""

    all: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    foreign: set[str] = field(default_factory=set)


def documented() -> Mapping[str, Any]:
    """The list: patches, and private names by package."""
    found: Mapping[str, Any] = yaml.safe_load(SOURCE.read_text())
    return found


def files_with(text: str) -> list[str]:
    """Modules of the library whose source has a text, as paths below its package."""
    return sorted(_name(path) for path in LIBRARY.rglob("*.py") if text in path.read_text())


def private_uses() -> Uses:
    """Every private name that is used on something else than self or cls, imported, or asked for by getattr."""
    trees = {_name(path): ast.parse(path.read_text()) for path in LIBRARY.rglob("*.py")}
    own = {name for tree in trees.values() for name in _defined(tree)}
    uses = Uses()
    for file, tree in trees.items():
        for name, may_be_own in _used(tree):
            uses.all[name].add(file)
            if not (may_be_own and name in own):
                uses.foreign.add(name)
    return uses


def assignments() -> set[tuple[str, str]]:
    """(file, attribute) of every assignment to an attribute of something that was imported from another package."""
    found = set()
    for path in LIBRARY.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            (alias.asname or alias.name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and _is_foreign(node))
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = ast.unparse(node)
                if name.split(".")[0] in imported:
                    found.add((_name(path), name))
    return found


def _name(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.isidentifier() and len(name) > 1


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Assign) and any(_is_slots(target) for target in node.targets):
            yield from (each.value for each in ast.walk(node.value) if _is_text(each))  # type: ignore[attr-defined]


def _used(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(name, whether it may be one of the library's own)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            yield node.attr, True
        elif isinstance(node, ast.ImportFrom) and _is_foreign(node):
            is_private_module = any(_is_private(part) for part in (node.module or "").split("."))
            for alias in node.names:
                if not _is_types_only(node) and (_is_private(alias.name) or is_private_module):
                    yield alias.name, False
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr") and len(node.args) > 1:
            yield from _asked_for(node.args[1])
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("__dict__"):
            yield from _asked_for(node.slice)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("__dict__.get"):
            yield from _asked_for(node.args[0])


def _asked_for(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if _is_text(node) and _is_private(node.value):  # type: ignore[attr-defined]
        yield node.value, False  # type: ignore[attr-defined]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _is_slots(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "__slots__"


def _is_foreign(node: ast.ImportFrom) -> bool:
    return node.level == 0 and (node.module or "").split(".")[0] != LIBRARY.name


def _is_types_only(node: ast.ImportFrom) -> bool:
    return (node.module or "").endswith("._types")


def page() -> str:
    """The page."""
    listed, uses = documented(), private_uses()
    patches = [
        (
            code(entry["what"]) if " " not in entry["what"] else entry["what"],
            entry["package"],
            _files(files_with(entry["marker"])),
            entry["reason"],
            entry["change"],
        )
        for entry in listed["patches"]
    ]
    names = [
        (
            entry["package"],
            ", ".join(map(code, entry["names"])),
            _files(sorted({file for name in entry["names"] for file in uses.all[name]})),
            entry["reason"],
            entry["change"],
        )
        for entry in listed["private"]
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            "## Changed at run time\n",
            table(("what", "of", "in", "reason", "when it changes"), patches),
            "## Private names\n",
            table(("of", "names", "in", "reason", "when they change"), names),
        ]
    )


def _files(names: list[str]) -> str:
    return ", ".join(map(code, names))
