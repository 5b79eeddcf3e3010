"""The browser's number formatting, run by Node's test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def test_numbers_are_formatted_as_in_grafana(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("expected node (npm installs the console's assets, too); none is on PATH")
    # As they are served: the modules of all apps below one folder, so that they can import each other.
    for static in Path(__file__).parents[2].glob("*/static"):
        shutil.copytree(static, tmp_path / "static", dirs_exist_ok=True)
    script = Path(shutil.copy(Path(__file__).with_name("units.test.mjs"), tmp_path))
    done = subprocess.run([node, "--test", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
