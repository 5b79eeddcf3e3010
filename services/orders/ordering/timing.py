"""All time limits, in one place because they depend on each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Timing:
    """Time limits, in seconds unless they are timedeltas."""

    # The whole order. Calls get what is left of it; the rest up to 10 s is for reporting the failure.
    order: float = 9.0
    # Releasing the stock of a failed order while its client waits.
    release: float = 1.0
    # One attempt of one call.
    users_call: float = 2.0
    inventory_call: float = 2.0
    payments_call: float = 5.0
    publish: float = 5.0
    # How long inventory holds the stock of an order that is never completed. Longer than `stuck_after`.
    reservation: int = 120
    # No live process works on an order for longer: a pending order of that age was interrupted.
    stuck_after: timedelta = timedelta(seconds=60)
    reconcile_every: float = 5.0
    # Database notifications wake the relay; this poll covers missed ones.
    poll_every: float = 1.0
    keep_published: timedelta = timedelta(days=7)
    keep_answers: timedelta = timedelta(days=7)
    prune_every: float = 3600.0
