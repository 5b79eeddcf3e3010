"""Steps and windows as Grafana computes them."""

from __future__ import annotations

import re

import pytest
from boards import steps
from boards.steps import SCRAPE_INTERVAL, window
from django.conf import settings

HOUR = 3600.0
END = 1_700_000_000.0


@pytest.mark.parametrize(
    ("span", "pixels", "step", "rate"),
    [
        # 1 h on 600 px is 6 s per pixel, rounded to 5 s: below the scrape interval, which is the minimum.
        (HOUR, 600, 15, 60),
        # 6 h on 700 px: 30.9 s → 30 s; 30 + 15 is still less than four scrapes.
        (6 * HOUR, 700, 30, 60),
        # 12 h on 600 px: 72 s → 60 s; 60 + 15.
        (12 * HOUR, 600, 60, 75),
        # 24 h on 800 px: 108 s → 120 s.
        (24 * HOUR, 800, 120, 135),
        # 7 d on 1000 px: 604.8 s → 600 s.
        (7 * 24 * HOUR, 1000, 600, 615),
        # 30 d on 100 px: 25,920 s → 6 h.
        (30 * 24 * HOUR, 100, 21_600, 21_615),
    ],
)
def test_step_and_rate_interval_match_grafana(span: float, pixels: int, step: float, rate: float) -> None:
    found = window(END - span, END, pixels)
    assert (found.step, found.rate_interval) == (step, rate)


@pytest.mark.parametrize(
    ("milliseconds", "rounded"),
    [(9.9, 1), (10, 10), (14.9, 10), (15, 20), (1499, 1000), (1500, 2000), (44_999, 30_000), (45_000, 60_000)],
)
def test_limits_of_rounding_belong_to_the_larger_step(milliseconds: float, rounded: float) -> None:
    assert steps.round_interval(milliseconds / 1000) == rounded / 1000


def test_there_are_never_more_than_11000_points() -> None:
    for days in (1, 30, 366):
        for pixels in (50, 4000):
            found = window(END - days * 24 * HOUR, END, pixels)
            assert len(found.grid()) <= 11_001


def test_both_ends_are_rounded_down_to_whole_steps() -> None:
    found = window(END - 12 * HOUR + 7.5, END + 7.5, 600)
    assert found.step == 60
    assert found.aligned_start % 60 == 0
    assert found.aligned_end % 60 == 0
    assert 0 <= found.end - found.aligned_end < 60
    assert 0 <= found.start - found.aligned_start < 60
    assert found.grid()[0] == found.aligned_start
    assert found.grid()[-1] == found.aligned_end


def test_a_querys_own_minimum_step_replaces_the_scrape_interval() -> None:
    found = window(END - HOUR, END, 600, min_step="1m")
    assert (found.step, found.rate_interval) == (60, 240)
    assert window(END - HOUR, END, 600, min_step="$__interval").step == 15
    assert window(END - HOUR, END, 600, interval_factor=2).step == 30


def test_grafanas_variables_have_grafanas_values() -> None:
    assert window(END - 12 * HOUR, END, 600).built_in() == {
        "__interval": "60s",
        "__interval_ms": "60000",
        "__rate_interval": "75s",
        "__rate_interval_ms": "75000",
        "__range": "43200s",
        "__range_s": "43200",
        "__range_ms": "43200000",
    }


def test_half_a_second_of_a_range_is_rounded_up() -> None:
    assert window(END - 2.5, END, 600).range_seconds == 3
    assert window(END - 2.4, END, 600).range_seconds == 2


def test_the_scrape_interval_matches_grafanas_data_source() -> None:
    file = settings.DASHBOARDS_DIR.parent / "observability/grafana/provisioning/datasources/platform.yaml"
    found = re.search(r"^ +timeInterval: (\S+)$", file.read_text(), re.MULTILINE)
    assert found is not None, file
    assert steps.seconds_of(found[1]) == SCRAPE_INTERVAL
