"""The committed alerting and recording rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "alerts" / "rules"


@cache
def every() -> tuple[dict[str, Any], ...]:
    """All rules of all files."""
    documents = [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in sorted(FOLDER.glob("*.yml"))]
    return tuple(rule for document in documents for group in document["groups"] for rule in group["rules"])


def alerts() -> set[str]:
    """The names of the alerts."""
    return {rule["alert"] for rule in every() if "alert" in rule}


def records() -> set[str]:
    """The names of the recorded series."""
    return {rule["record"] for rule in every() if "record" in rule}
