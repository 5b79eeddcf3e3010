from __future__ import annotations

import pytest

from load.shapes import SHAPES, Shape, users_at


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("users", [1, 7, 20])
def test_a_shape_stays_between_one_and_all_users_until_it_is_over(shape: Shape, users: int) -> None:
    counts = [users_at(shape, elapsed, 60, users) for elapsed in range(60)]
    assert min(counts) >= 1
    assert max(counts) == users
    assert users_at(shape, 60, 60, users) == 0
    assert users_at(shape, 1000, 60, users) == 0


def test_steady_has_all_users_from_the_start() -> None:
    assert {users_at("steady", elapsed, 60, 20) for elapsed in range(60)} == {20}


def test_ramp_never_falls_and_holds_its_peak() -> None:
    counts = [users_at("ramp", elapsed, 100, 20) for elapsed in range(100)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[40] == 10
    assert set(counts[80:]) == {20}


def test_spike_has_all_users_only_in_the_middle() -> None:
    counts = [users_at("spike", elapsed, 100, 20) for elapsed in range(100)]
    assert set(counts[40:60]) == {20}
    assert set(counts[:40] + counts[60:]) == {4}
