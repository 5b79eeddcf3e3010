"""The browser's number formatting, run by Node's test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def test_numbers_are_formatted_as_in_grafana() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("expected node (npm installs the console's assets, too); none is on PATH")
    script = Path(__file__).with_name("units.test.mjs")
    done = subprocess.run([node, "--test", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
