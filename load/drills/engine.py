"""Runs one drill: steady load, check that nothing fires, inject, measure, restore, wait until resolved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from load.drills import interrupts, marks, notifications
from load.drills.actions import ACTIONS, undo_until_it_works
from load.drills.descriptor import Drill
from load.drills.journal import Journal
from load.drills.notifications import Notification
from load.drills.prober import Impact, Prober
from load.drills.world import World

BASELINE_SECONDS = 12.0
# Keep the fault for a while after the page, to record further notifications.
AFTERMATH_SECONDS = 12.0
# After tests that kill services, the shorter windows of the burn-rate alerts have to pass.
CLEAN_WITHIN_SECONDS = 420.0
RESOLVED_WITHIN_SECONDS = 300.0
LOOK_SECONDS = 1.0
PROGRESS_SECONDS = 60.0

STARTING = "AlertingJustStarted"

Say = Callable[[str], None]


class NotClean(RuntimeError):
    """An alert is firing already, so the drill can't measure anything. The message names it."""


@dataclass(frozen=True)
class Result:
    """The result of one drill. Times in seconds; None where the event didn't happen.

    `pages` are the groups of alerts that paged, `notifications` all deliveries that contain a page,
    `pages_uninhibited` the pages without inhibition. `noticed` is the expected alert; `named` whether the first page
    names its cause.
    """

    drill: str
    kind: str
    control: bool
    expected: str
    severity: str
    at: float
    noticed: bool
    seconds_to_notice: float | None
    named: bool
    first: str
    pages: int
    notifications: int
    tickets: int
    pages_uninhibited: int
    seconds_to_resolve: float | None
    impact_claimed: str
    impact_felt: bool
    impact: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        """A fault passes when it was noticed with its cause, a control when it did not page."""
        return self.pages == 0 if self.control else self.noticed and self.named

    def document(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return asdict(self)


def restore_leftovers(world: World, journal: Journal, say: Say) -> None:
    """Undo what an earlier run left broken."""
    if journal.entries():
        say("an interrupted run has left something broken")
    _restore(world, journal, say)


def _restore(world: World, journal: Journal, say: Say) -> None:
    for action, arguments in reversed(journal.entries()):
        say(f"restoring: {action} {dict(arguments)}")
        undo_until_it_works(world, action, arguments)
        journal.done((action, arguments))


def journal_of(world: World) -> Journal:
    """The journal of this clone."""
    return Journal(Path(os.fspath(world.platform.paths.var)) / "run" / "drills.json")


def run(world: World, drill: Drill, say: Say) -> Result:
    """Run the drill. The fault is always undone before this returns. Raises NotClean before the injection."""
    journal = journal_of(world)
    restore_leftovers(world, journal, say)
    _wait_until_clean(world, say)
    prober = Prober()
    prober.start()
    try:
        say(f"steady load for {BASELINE_SECONDS:.0f} s")
        time.sleep(BASELINE_SECONDS)
        # Only after its first evaluations does Prometheus report that it has just started.
        _wait_until_clean(world, say)
        if not drill.probe:
            prober.stop()
        mark = notifications.last_number(world)
        injected = time.time()
        marks.put(world, drill.name, "injected", injected)
        try:
            for step in drill.steps:
                say(f"{step.action} {dict(step.arguments)}")
                journal.add(step.action, step.arguments)
                ACTIONS[step.action].do(world, step.arguments)
            noticed = _watch(world, drill, mark, injected, say)
        finally:
            held_until = time.time()
            with interrupts.held_back():
                _restore(world, journal, say)
        restored = time.time()
        if noticed is not None:
            marks.put(world, drill.name, "detected", noticed.at)
        marks.put(world, drill.name, "restored", restored)
        resolved = _wait_resolved(world, mark, restored, say) if noticed or not drill.is_control else None
        if resolved is not None:
            marks.put(world, drill.name, "resolved", resolved)
        seen = notifications.read(world, mark)
        return _result(world, drill, injected, restored, noticed, resolved, seen, prober.impact(injected, held_until))
    finally:
        prober.stop()


def _firing(world: World) -> list[str]:
    """Alerts that page now and aren't inhibited, and the alert that inhibits pages after a start."""
    alerts = world.call(
        "GET", f"{world.url('ALERTMANAGER_PORT')}/api/v2/alerts", params={"silenced": "false", "inhibited": "false"}
    ).json()
    return sorted(
        {
            f"{alert['labels']['alertname']}({alert['labels'].get('service', '')})"
            for alert in alerts
            if alert["labels"].get("severity") == "page" or alert["labels"]["alertname"] == STARTING
        }
    )


def _wait_until_clean(world: World, say: Say) -> None:
    deadline = time.monotonic() + CLEAN_WITHIN_SECONDS
    while firing := _firing(world):
        if time.monotonic() > deadline:
            raise NotClean(f"still firing after {CLEAN_WITHIN_SECONDS:.0f} s: {', '.join(firing)}")
        say(f"waiting for quiet: {', '.join(firing)}")
        time.sleep(5)


def _matches(drill: Drill, notification: Notification) -> bool:
    expected = drill.expected
    return expected is not None and any(
        alert.name in expected.alerts and alert.root == expected.root for alert in notification.firing
    )


def _watch(world: World, drill: Drill, mark: int, injected: float, say: Say) -> Notification | None:
    """Wait for the expected notification, or for the control's whole duration."""
    deadline = time.monotonic() + drill.seconds
    latest = mark
    progress = time.monotonic() + PROGRESS_SECONDS
    while time.monotonic() < deadline:
        if time.monotonic() >= progress:
            say(f"{time.time() - injected:.0f} of at most {drill.seconds:.0f} s")
            progress += PROGRESS_SECONDS
        for notification in notifications.read(world, latest):
            latest = notification.number
            names = ", ".join(f"{alert.name}({alert.root})" for alert in notification.firing) or "resolved"
            say(f"notification after {notification.at - injected:.0f} s: {names}")
            if _matches(drill, notification):
                time.sleep(AFTERMATH_SECONDS)
                return notification
        time.sleep(LOOK_SECONDS)
    return None


def _wait_resolved(world: World, mark: int, restored: float, say: Say) -> float | None:
    """When the last group that had fired was notified as resolved; None when that takes too long.

    Groups that first fire after the restoration don't count here: they appear among the pages.
    """
    deadline = time.monotonic() + RESOLVED_WITHIN_SECONDS
    say("restored; waiting for resolved")
    while time.monotonic() < deadline:
        seen = notifications.read(world, mark)
        fired = {entry.group for entry in seen if entry.firing and entry.at <= restored}
        last = {entry.group: entry for entry in seen if entry.group in fired}
        if all(entry.status == "resolved" for entry in last.values()):
            return max((entry.at for entry in last.values()), default=restored)
        time.sleep(LOOK_SECONDS)
    return None


def _uninhibited(world: World, injected: float, until: float) -> int:
    """The number of groups that would have paged without inhibition."""
    seconds = max(1, int(until - injected))
    expression = (
        f'count(count by (root_service) (max_over_time(ALERTS{{alertstate="firing", severity="page"}}[{seconds}s])))'
    )
    try:
        found = world.query(expression, until)
    except requests.RequestException:
        # The fault affected Prometheus itself.
        return 0
    return int(float(found[0]["value"][1])) if found else 0


def _result(
    world: World,
    drill: Drill,
    injected: float,
    restored: float,
    noticed: Notification | None,
    resolved: float | None,
    seen: Sequence[Notification],
    impact: Sequence[Impact],
) -> Result:
    expected = drill.expected
    severity = expected.severity if expected else "page"
    relevant = [notification for notification in seen if notification.firing]
    paging = [notification for notification in relevant if notification.has("page")]
    first = next((notification for notification in relevant if notification.has(severity)), None)
    named = first is not None and expected is not None and expected.root in {alert.root for alert in first.firing}
    return Result(
        drill=drill.name,
        kind=drill.kind,
        control=drill.is_control,
        expected=f"{'/'.join(expected.alerts)} ({expected.root})" if expected else "quiet",
        severity=severity if expected else "none",
        at=injected,
        noticed=noticed is not None,
        seconds_to_notice=round(noticed.at - injected, 1) if noticed else None,
        named=named,
        first=", ".join(f"{alert.name}({alert.root})" for alert in first.firing) if first else "",
        pages=len({notification.group for notification in paging}),
        notifications=len(paging),
        tickets=len({notification.group for notification in relevant if not notification.has("page")}),
        pages_uninhibited=_uninhibited(world, injected, restored),
        seconds_to_resolve=round(resolved - restored, 1) if resolved is not None else None,
        impact_claimed=drill.impact,
        impact_felt=any(entry.is_felt for entry in impact),
        impact=[asdict(entry) for entry in impact],
    )
