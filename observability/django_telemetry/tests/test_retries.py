"""Pauses between attempts."""

from __future__ import annotations

import pytest
from django_telemetry.retries import Backoff


@pytest.mark.parametrize(("failures", "nominal"), [(0, 1.0), (1, 2.0), (3, 8.0), (4, 10.0), (5000, 10.0)])
def test_pauses_double_up_to_the_maximum_with_a_jitter_of_a_quarter(failures: int, nominal: float) -> None:
    pauses = {Backoff(first=1.0, most=10.0).pause(failures) for _ in range(50)}
    assert all(0.75 * nominal <= pause <= 1.25 * nominal for pause in pauses)
    assert len(pauses) > 1, "without jitter all consumers would return at once"
