"""Time ranges in URLs."""

from __future__ import annotations

import pytest
from shell.timerange import TimeRange

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("from_", "to", "start", "end"),
    [
        ("now-1h", "now", NOW - 3600, NOW),
        ("now-2d", "now-1d", NOW - 2 * 86400, NOW - 86400),
        ("1799999000000", "1799999500500", 1_799_999_000.0, 1_799_999_500.5),
        ("2027-01-15T07:00:00", "2027-01-15 08:00", NOW - 3600, NOW),
        ("2027-01-15T09:00:00+02:00", "now", NOW - 3600, NOW),
    ],
)
def test_grafanas_times_are_understood(from_: str, to: str, start: float, end: float) -> None:
    found = TimeRange.from_params({"from": from_, "to": to}, now=NOW)
    assert (found.start, found.end, found.from_, found.to, found.message) == (start, end, from_, to, "")


@pytest.mark.parametrize(
    ("from_", "to", "said"),
    [
        ("yesterday", "now", "can't be read"),
        ("now-1x", "now", "can't be read"),
        ("now-1h", "now)", "can't be read"),
        ("now", "now-1h", "ends before"),
        ("now-9y", "now", "longer than a year"),
        ("99999999999999999999", "now", "can't be read"),
    ],
)
def test_invalid_times_give_the_default_and_a_message(from_: str, to: str, said: str) -> None:
    found = TimeRange.from_params({"from": from_, "to": to}, default="now-6h", now=NOW)
    assert (found.start, found.end, found.from_, found.to) == (NOW - 6 * 3600, NOW, "now-6h", "now")
    assert said in found.message


def test_without_parameters_the_default_applies() -> None:
    assert TimeRange.from_params({}, now=NOW).label == "last hour"


def test_its_query_gives_the_same_range_again() -> None:
    fixed = TimeRange.around(NOW, before=60, after=120)
    again = TimeRange.from_params(dict(part.split("=") for part in fixed.query().split("&")), now=NOW)
    assert (again.start, again.end) == (NOW - 60, NOW + 120)


def test_a_fixed_range_is_labelled_by_both_ends() -> None:
    assert TimeRange.between(NOW, NOW + 90).label == "2027-01-15 08:00:00 – 08:01:30 UTC"
