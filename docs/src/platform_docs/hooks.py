"""MkDocs hooks: add pages that are made from code, and adapt what is written for GitHub to the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from platform_docs import links, reference
from platform_docs.repository import DOCS

# Where the site serves it, and where npm puts it (docs/package-lock.json verifies both).
SCRIPTS = {
    "assets/mermaid.tiny.js": "@mermaid-js/tiny/dist/mermaid.tiny.js",
    "assets/iframe-worker.js": "iframe-worker/shim/index.js",
}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add scripts and generated pages."""
    for file in (*_scripts(config), *_pages(config)):
        files.append(file)
    return files


def _scripts(config: MkDocsConfig) -> Iterator[File]:
    for address, name in SCRIPTS.items():
        path = DOCS / "node_modules" / name
        if not path.is_file():
            raise PluginError(f"{path} is missing; build the site by: make docs")
        yield File.generated(config, address, abs_src_path=str(path))


def _pages(config: MkDocsConfig) -> Iterator[File]:
    for address, content in reference.pages().items():
        yield File.generated(config, address, content=content)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links out of docs/ lead to the repository."""
    return links.rewritten(Path("docs") / page.file.src_uri, markdown, config.repo_url)
