"""The benchmark's variants are what they claim to be; the measuring itself is ``make bench``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.project import VARIANTS

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name == "bare" or name.endswith("-all")])
def test_a_variant_serves_requests(variant: str, interface: str) -> None:
    from .harness import free_port

    which = ["--variant", variant, "--sampled", "yes", "--interface", interface]
    sink = ["--sink", f"http://127.0.0.1:{free_port()}"]
    effort = ["--processes", "1", "--values", "1", "--warmups", "0", "--loops", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inprocess", *which, *sink, *effort],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert f"{interface} {variant} sampled" in done.stdout, done.stderr[-2000:]
