"""Tables of columns (Grafana's data frames): the answer of every query before it is transformed and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

TIME = "time"
NUMBER = "number"
STRING = "string"
# Grafana's names for the columns of a time series.
TIME_NAME = "Time"
VALUE_NAME = "Value"


@dataclass(frozen=True)
class Field:
    """A column. ``display`` is its displayed name; ``labels`` are those of its series.

    Values of a time column are epoch seconds; those of a number may be None.
    """

    name: str
    kind: str
    values: list[Any] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    legend: str = ""

    @property
    def display(self) -> str:
        """Return the displayed name."""
        return self.legend or self.name


@dataclass(frozen=True)
class Frame:
    """Columns of the same length. ``ref_id`` is the query that it answers."""

    ref_id: str
    fields: tuple[Field, ...]

    def __len__(self) -> int:
        return len(self.fields[0].values) if self.fields else 0

    def named(self, name: str) -> Field | None:
        """Return the column with that name."""
        return next((column for column in self.fields if name in (column.name, column.display)), None)

    @property
    def numbers(self) -> tuple[Field, ...]:
        """Return its columns of numbers."""
        return tuple(column for column in self.fields if column.kind == NUMBER)

    @property
    def times(self) -> list[float]:
        """Return the values of its first column of times; empty if it has none."""
        return next((column.values for column in self.fields if column.kind == TIME), [])

    def with_fields(self, fields: tuple[Field, ...]) -> Frame:
        """Return the same answer with other columns."""
        return replace(self, fields=fields)
