"""Limits on guessing: a growing pause between attempts, by account and by network, instead of a lock-out.

An attempt counts before it is checked, so that parallel ones can't pass together; a successful one is taken back.
Subjects are stored as keyed hashes: the table contains neither addresses of people nor of machines.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import Throttle

# Rows that are no longer needed, deleted with each new one.
_PRUNED_AT_ONCE = 20
_LONGEST_EXPONENT = 20


@dataclass(frozen=True)
class Limit:
    """`free` attempts without a pause; then 1, 2, 4 ... seconds until the next, at most `longest`.

    All attempts are forgotten `memory` after the last one.
    """

    kind: str
    free: int
    longest: timedelta
    memory: timedelta

    def pause(self, attempts: int) -> timedelta:
        """Return the pause after that many attempts."""
        if attempts < self.free:
            return timedelta()
        return min(timedelta(seconds=2 ** min(attempts - self.free, _LONGEST_EXPONENT)), self.longest)


# From one network to one account: guessing. Others who use the account from elsewhere aren't affected.
PAIR = Limit("pair", 5, timedelta(minutes=15), timedelta(hours=1))
# To one account from many networks. The pause is short: it must not keep the owner out.
ACCOUNT = Limit("account", 50, timedelta(seconds=30), timedelta(hours=1))
# From one network to many accounts.
NETWORK = Limit("network", 50, timedelta(minutes=5), timedelta(hours=1))
SIGN_UP = Limit("sign_up", 10, timedelta(minutes=5), timedelta(hours=1))


class Throttled(Exception):
    """Too many attempts. `seconds` until the next one is accepted, 1 or more."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """An attempt that was counted."""

    keys: tuple[str, ...]

    def succeeded(self, *forget: Limit) -> None:
        """Take the attempt back; `forget` are limits whose earlier attempts are forgotten too."""
        forgotten = [key for key in self.keys if key.partition(":")[0] in {limit.kind for limit in forget}]
        Throttle.objects.filter(key__in=forgotten).delete()
        rest = [key for key in self.keys if key not in forgotten]
        Throttle.objects.filter(key__in=rest).update(attempts=Greatest(F("attempts") - 1, 0), next_at=timezone.now())


def attempt(subjects: Sequence[tuple[Limit, str]]) -> Attempt:
    """Count an attempt under each (limit, subject). Raises Throttled, and counts nothing, during a pause."""
    limits = {f"{limit.kind}:{_hash(subject)}": limit for limit, subject in subjects}
    if not limits:
        return Attempt(())
    # In one order everywhere, so that two attempts don't wait for each other.
    keys = sorted(limits)
    now = timezone.now()
    with transaction.atomic():
        Throttle.objects.bulk_create(
            [Throttle(key=key, next_at=now, forgotten_at=now) for key in keys], ignore_conflicts=True
        )
        rows = list(Throttle.objects.select_for_update().filter(key__in=keys).order_by("key"))
        _check(rows, now)
        for row in rows:
            limit = limits[row.key]
            row.attempts = 1 if row.forgotten_at <= now else row.attempts + 1
            row.next_at = now + limit.pause(row.attempts)
            row.forgotten_at = now + limit.memory
        Throttle.objects.bulk_update(rows, ["attempts", "next_at", "forgotten_at"])
    _prune(now)
    return Attempt(tuple(keys))


def _check(rows: Sequence[Throttle], now: datetime) -> None:
    waits = [row.next_at - now for row in rows if row.forgotten_at > now and row.next_at > now]
    if waits:
        raise Throttled(int(max(waits).total_seconds()) + 1)


def _prune(now: datetime) -> None:
    stale = Throttle.objects.filter(forgotten_at__lt=now).values_list("key", flat=True)[:_PRUNED_AT_ONCE]
    if keys := list(stale):
        Throttle.objects.filter(key__in=keys, forgotten_at__lt=now).delete()


def _hash(subject: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), subject.encode(), hashlib.sha256).hexdigest()
