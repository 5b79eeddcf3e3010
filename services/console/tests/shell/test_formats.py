"""Number formats."""

from __future__ import annotations

import pytest
from shell.templatetags.shell import duration, percent, rate


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.00084, "840 µs"),
        (0.0125, "12.5 ms"),
        (3.21, "3.21 s"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (273_600, "3 d 4 h"),
        (-5, "-5 s"),
    ],
)
def test_durations_are_formatted(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "–"), (0.0, "0 %"), (0.0123, "1.23 %"), (1.0, "100 %"), (0.995, "99.5 %"), (-22.43, "-2243 %")],
)
def test_percentages_are_formatted(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("per_second", "shown"), [(None, "–"), (0.0, "0/s"), (0.02, "1.2/min"), (1.0, "1/s"), (12.34, "12.3/s")]
)
def test_rates_are_formatted(per_second: float | None, shown: str) -> None:
    assert rate(per_second) == shown
