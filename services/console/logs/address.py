"""The URL of a logs page: its query, time and columns, and the URLs of its links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict
from shell.timerange import TimeRange

from logs import query as language

# In addition to time and level, which are always displayed.
DEFAULT_COLUMNS = ("service.name", "message")
MOST_COLUMNS = 8
# Where a live tail begins on a page that shows the past.
LIVE = "now-15m"
_FIELD_NAME = re.compile(r"[\w@][\w@.\-]{0,99}")


@dataclass(frozen=True, slots=True)
class Address:
    """What a logs page displays."""

    text: str
    timerange: TimeRange
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    # Health checks and the console's own lines.
    shows_noise: bool = False

    @classmethod
    def from_params(cls, params: QueryDict) -> Address:
        """Parse a URL; invalid field names are ignored as columns. `columns` may be repeated or contain commas."""
        names = [name.strip() for value in params.getlist("columns") for name in value.split(",")]
        columns = tuple(dict.fromkeys(name for name in names if _FIELD_NAME.fullmatch(name)))[:MOST_COLUMNS]
        shows_noise = params.get("noise", "") == "1"
        return cls(
            params.get("query", "").strip(), TimeRange.from_params(params), columns or DEFAULT_COLUMNS, shows_noise
        )

    def url(self, path: str = "/logs", **extra: str) -> str:
        """Return this page's URL; `extra` are additional parameters."""
        columns = ",".join(self.columns) if self._has_own_columns else ""
        params = {"query": self.text, "columns": columns, "noise": "1" if self.shows_noise else "", **extra}
        given = {name: value for name, value in params.items() if value}
        return f"{path}?" + "&".join(part for part in (urlencode(given), self.timerange.query()) if part)

    def narrowed(self, name: str, value: str, *, negated: bool = False) -> str:
        """Return the URL that filters for this value, or excludes it."""
        text = language.join(self.text, language.term(name, value, negated=negated))
        return replace(self, text=text).url()

    def with_column(self, name: str) -> str:
        """Return the URL with one more column, before the message, or without it if present."""
        if name in self.columns:
            return self._with(column for column in self.columns if column != name)
        at = self.columns.index("message") if "message" in self.columns else len(self.columns)
        return self._with((*self.columns[:at], name, *self.columns[at:]))

    def with_query(self, text: str) -> str:
        """Return the URL of another query over the same time."""
        return replace(self, text=text).url()

    def with_noise(self, shown: bool) -> str:
        """Return the URL with or without health checks and the console's own lines."""
        return replace(self, shows_noise=shown).url()

    def live(self) -> Address:
        """Return the URL of the same query for the time range that ends now."""
        return replace(self, timerange=TimeRange.from_params({}, default=LIVE))

    @property
    def is_long(self) -> bool:
        """Return whether the range is longer than a day, so that lines need a date."""
        return self.timerange.seconds > 86400

    @property
    def _has_own_columns(self) -> bool:
        return self.columns != DEFAULT_COLUMNS

    def _with(self, columns: Iterable[str]) -> str:
        chosen = tuple(columns)[:MOST_COLUMNS]
        return replace(self, columns=chosen or DEFAULT_COLUMNS).url()
