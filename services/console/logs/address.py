"""The address of a logs page: its query, time and columns, and how it changes with a click."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict
from shell.timerange import TimeRange

from logs import query as language

# Beside time and level, which are always there.
DEFAULT_COLUMNS = ("service.name", "message")
MOST_COLUMNS = 8
# Where a live tail begins, of a page that looks at the past.
LIVE = "now-15m"
_FIELD_NAME = re.compile(r"[\w@][\w@.\-]{0,99}")


@dataclass(frozen=True, slots=True)
class Address:
    """What a logs page shows."""

    text: str
    timerange: TimeRange
    columns: tuple[str, ...] = DEFAULT_COLUMNS

    @classmethod
    def from_params(cls, params: QueryDict) -> Address:
        """Read an address; names that can't be fields are no columns. `columns` may be repeated or have commas."""
        names = [name.strip() for value in params.getlist("columns") for name in value.split(",")]
        columns = tuple(dict.fromkeys(name for name in names if _FIELD_NAME.fullmatch(name)))[:MOST_COLUMNS]
        return cls(params.get("query", "").strip(), TimeRange.from_params(params), columns or DEFAULT_COLUMNS)

    def url(self, path: str = "/logs", **extra: str) -> str:
        """This page's address; `extra` are more parameters."""
        params = {"query": self.text, **({"columns": ",".join(self.columns)} if self._has_own_columns else {}), **extra}
        given = {name: value for name, value in params.items() if value}
        return f"{path}?" + "&".join(part for part in (urlencode(given), self.timerange.query()) if part)

    def narrowed(self, name: str, value: str, *, negated: bool = False) -> str:
        """The address of the lines that also have this value, or don't."""
        text = language.join(self.text, language.term(name, value, negated=negated))
        return replace(self, text=text).url()

    def with_column(self, name: str) -> str:
        """The address with one column more, before the message, or without it if it is there already."""
        if name in self.columns:
            return self._with(column for column in self.columns if column != name)
        at = self.columns.index("message") if "message" in self.columns else len(self.columns)
        return self._with((*self.columns[:at], name, *self.columns[at:]))

    def with_query(self, text: str) -> str:
        """The address of another query over the same time."""
        return replace(self, text=text).url()

    def live(self) -> Address:
        """The same for the time that ends now."""
        return replace(self, timerange=TimeRange.from_params({}, default=LIVE))

    @property
    def is_long(self) -> bool:
        """Whether the time is longer than a day, so that a line's time of day isn't enough."""
        return self.timerange.seconds > 86400

    @property
    def _has_own_columns(self) -> bool:
        return self.columns != DEFAULT_COLUMNS

    def _with(self, columns: Iterable[str]) -> str:
        chosen = tuple(columns)[:MOST_COLUMNS]
        return replace(self, columns=chosen or DEFAULT_COLUMNS).url()
