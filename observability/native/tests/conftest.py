"""Fixtures shared by all tests of platformctl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import catalogue
import pytest
from catalogue import Catalogue
from platformctl import settings
from platformctl.paths import Paths, repository_root
from platformctl.settings import Settings


@pytest.fixture
def root() -> Path:
    """This checkout."""
    return repository_root()


@pytest.fixture
def the_catalogue() -> Catalogue:
    """services/catalogue/catalogue.yaml."""
    return catalogue.load()


@pytest.fixture
def load_settings(tmp_path: Path, the_catalogue: Catalogue) -> Callable[..., Settings]:
    """Loads settings from an .env file with that text and from an environment."""

    def load(text: str = "", environ: Mapping[str, str] | None = None) -> Settings:
        (tmp_path / ".env").write_text(text)
        return settings.load(tmp_path, the_catalogue, environ or {})

    return load


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The folders of a clone that exists only for this test."""
    return Paths(tmp_path / "clone", tmp_path / "cache")
