"""What Alertmanager remembers of incidents that everything was stopped in."""

from __future__ import annotations

from pathlib import Path


def forget_told(storage: Path) -> None:
    """Drop Alertmanager's log of what it has told whom. Silences stay. `storage` is its --storage.path.

    Prometheus tells of an alert's end only if it was there to see it. What ended while everything was stopped is
    "firing, and told" in that log, so its next incident would be taken for the old one and page nobody until
    `repeat_interval` has passed. Only for a start from nothing: a restart of Alertmanager alone would tell twice.
    """
    (storage / "nflog").unlink(missing_ok=True)
