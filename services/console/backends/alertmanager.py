"""Alertmanager's API v2: firing alerts, what mutes them, and silences, as typed values.

Every call raises BackendDown when Alertmanager doesn't answer in time and BackendRejected when it rejects the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.conf import settings

from backends.errors import BackendDown, BackendRejected
from backends.http import delete, get_json, post_json

NAME = "alertmanager"
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing alert. ``state`` is active, suppressed or unprocessed.

    ``inhibited_by`` are the fingerprints of the alerts that mute it, ``silenced_by`` the ids of silences.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    state: str
    inhibited_by: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    generator_url: str = ""

    @property
    def muted(self) -> bool:
        """Return whether it is inhibited, so that no receiver is notified."""
        return bool(self.inhibited_by)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a silence: label = value, != , =~ or !~."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet an equality condition. Regular expressions are left to Alertmanager."""
        return not self.is_regex and (labels.get(self.name, "") == self.value) == self.is_equal

    def __str__(self) -> str:
        operator = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
        return f'{self.name}{operator[self.is_equal, self.is_regex]}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence. ``state`` is active, pending or expired."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    state: str = field(default="active")


class Alertmanager:
    """A client of one Alertmanager. Thread-safe."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout

    def alerts(self) -> list[Alert]:
        """Return all firing alerts, including muted and silenced ones, the oldest first."""
        found = [_read(_alert, item) for item in self._list("/api/v2/alerts")]
        return sorted(found, key=lambda alert: (alert.starts_at, alert.fingerprint))

    def silences(self) -> list[Silence]:
        """Return silences that are active, pending or recently expired."""
        return [_read(_silence, item) for item in self._list("/api/v2/silences")]

    def silence(
        self, matchers: Iterable[Matcher], starts_at: datetime, ends_at: datetime, created_by: str, comment: str
    ) -> str:
        """Silence what all ``matchers`` match, and return the silence's id."""
        body = {
            "matchers": [
                {"name": item.name, "value": item.value, "isRegex": item.is_regex, "isEqual": item.is_equal}
                for item in matchers
            ],
            "startsAt": starts_at.astimezone(UTC).isoformat(),
            "endsAt": ends_at.astimezone(UTC).isoformat(),
            "createdBy": created_by,
            "comment": comment,
        }
        answer = post_json(NAME, self._base_url, "/api/v2/silences", json=body, timeout=self._timeout)
        if not isinstance(answer, dict) or not isinstance(answer.get("silenceID"), str):
            raise BackendDown(NAME, "the answer names no silence")
        return str(answer["silenceID"])

    def expire(self, silence_id: str) -> None:
        """End a silence now. An unknown or expired one is not an error."""
        try:
            delete(
                NAME,
                self._base_url,
                "/api/v2/silence/{silence_id}",
                path_params={"silence_id": silence_id},
                timeout=self._timeout,
            )
        except BackendRejected as rejected:
            if rejected.status != NOT_FOUND:
                raise

    def _list(self, path: str) -> list[Any]:
        answer = get_json(NAME, self._base_url, path, timeout=self._timeout)
        if not isinstance(answer, list):
            raise BackendDown(NAME, "the answer is not one of Alertmanager's API")
        return answer


def _read(parse: Any, item: Any) -> Any:
    try:
        return parse(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackendDown(NAME, f"the answer is not one of Alertmanager's API ({type(error).__name__})") from error


def _alert(item: Mapping[str, Any]) -> Alert:
    status = item["status"]
    return Alert(
        fingerprint=str(item["fingerprint"]),
        labels=dict(item["labels"]),
        annotations=dict(item.get("annotations") or {}),
        starts_at=datetime.fromisoformat(item["startsAt"]),
        state=str(status["state"]),
        inhibited_by=tuple(status.get("inhibitedBy") or ()),
        silenced_by=tuple(status.get("silencedBy") or ()),
        generator_url=str(item.get("generatorURL", "")),
    )


def _silence(item: Mapping[str, Any]) -> Silence:
    return Silence(
        id=str(item["id"]),
        matchers=tuple(
            Matcher(str(part["name"]), str(part["value"]), bool(part["isRegex"]), bool(part.get("isEqual", True)))
            for part in item["matchers"]
        ),
        starts_at=datetime.fromisoformat(item["startsAt"]),
        ends_at=datetime.fromisoformat(item["endsAt"]),
        created_by=str(item.get("createdBy", "")),
        comment=str(item.get("comment", "")),
        state=str(item["status"]["state"]),
    )


@cache
def _client(base_url: str, timeout: float) -> Alertmanager:
    return Alertmanager(base_url, timeout)


def client() -> Alertmanager:
    """Return the client for the Alertmanager in the settings (ALERTMANAGER_URL, BACKEND_TIMEOUT_SECONDS)."""
    return _client(settings.ALERTMANAGER_URL, settings.BACKEND_TIMEOUT_SECONDS)
