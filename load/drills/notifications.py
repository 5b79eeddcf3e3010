"""The notifications that reached the on-call engineer, from the watchdog's record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from load.drills.world import World


@dataclass(frozen=True)
class Alert:
    """One alert of a notification."""

    name: str
    severity: str
    root: str
    status: str


@dataclass(frozen=True)
class Notification:
    """One delivery: its time (Unix seconds) and its group of alerts."""

    number: int
    at: float
    group: str
    status: str
    alerts: tuple[Alert, ...]

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The firing alerts."""
        return tuple(alert for alert in self.alerts if alert.status == "firing")

    def has(self, severity: str) -> bool:
        """Whether an alert of this severity is firing."""
        return any(alert.severity == severity for alert in self.firing)


def last_number(world: World) -> int:
    """The number of the newest notification; 0 without any."""
    found = read(world, 0)
    return found[-1].number if found else 0


def read(world: World, after: int) -> Sequence[Notification]:
    """All notifications with a higher number, oldest first."""
    entries = world.call("GET", f"{world.watchdog}/notifications", params={"after": after}).json()["notifications"]
    return [
        Notification(
            number=entry["number"],
            at=entry["at"],
            group=entry["notification"].get("groupKey", ""),
            status=entry["notification"]["status"],
            alerts=tuple(
                Alert(
                    alert["labels"].get("alertname", ""),
                    alert["labels"].get("severity", ""),
                    alert["labels"].get("root_service", ""),
                    alert["status"],
                )
                for alert in entry["notification"]["alerts"]
            ),
        )
        for entry in entries
    ]
