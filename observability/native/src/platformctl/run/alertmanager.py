"""Resets Alertmanager's notification log before a cold start."""

from __future__ import annotations

from pathlib import Path


def clear_notification_log(storage: Path) -> None:
    """Delete Alertmanager's notification log (nflog). Silences stay. `storage` is its --storage.path.

    Prometheus sends a resolved alert only if it was running when the alert resolved. An alert that resolved while
    everything was down is still "firing, notified" in that log, so its next incident would be taken for the old one
    and page the on-call engineer only after `repeat_interval`. For cold starts only: after a restart of Alertmanager
    alone it would notify twice.
    """
    (storage / "nflog").unlink(missing_ok=True)
