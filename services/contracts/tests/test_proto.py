"""The gRPC contract: stubs are current, and no change breaks clients built against the baseline."""

import json
import os
import subprocess
import sys
from pathlib import Path

from contracts.inventory.v1 import inventory_pb2

from tests.compatibility import proto_surface, surface_breaks

ROOT = Path(__file__).parents[1]
STUBS = ("inventory_pb2.py", "inventory_pb2.pyi", "inventory_pb2_grpc.py")


def test_the_stubs_are_current(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([ROOT / "generate.sh", tmp_path], check=True, env=environment, timeout=50)
    stale = [
        name
        for name in STUBS
        if (tmp_path / "contracts/inventory/v1" / name).read_text()
        != (ROOT / "src/contracts/inventory/v1" / name).read_text()
    ]
    assert not stale, f"{stale} differ from inventory.proto; run services/contracts/generate.sh"


def test_the_proto_keeps_everything_of_the_baseline() -> None:
    baseline = json.loads((ROOT / "tests/baseline/inventory.v1.json").read_text())
    assert surface_breaks(baseline, proto_surface(inventory_pb2.DESCRIPTOR)) == []


def test_the_check_detects_a_renumbered_field_and_a_removed_method() -> None:
    now = proto_surface(inventory_pb2.DESCRIPTOR)
    changed = dict(now)
    changed["inventory.v1.Item#3"] = changed.pop("inventory.v1.Item#2")
    del changed["inventory.v1.Inventory/Commit"]
    assert len(surface_breaks(now, changed)) == 2
