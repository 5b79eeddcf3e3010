"""The built site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from platform_docs.__main__ import install_scripts
from platform_docs.repository import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. The build is strict, so a broken link or anchor fails here, with MkDocs's message."""
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


def build(folder: Path) -> None:
    """Build the site into a folder; fails the test with what the build said."""
    assert install_scripts(), "npm is needed for the site's scripts"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
