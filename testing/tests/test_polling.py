"""The polling helper: what it returns, and what a failure shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from platform_testing.polling import eventually


def answers(*values: object) -> Callable[[], Any]:
    """A question that gets these answers in turn; an exception is raised. The last one is repeated."""
    left: Iterator[object] = iter(values)
    last: list[object] = []

    def ask() -> object:
        last[:] = [next(left, *last)]
        if isinstance(last[0], Exception):
            raise last[0]
        return last[0]

    return ask


def test_the_first_true_value_is_returned() -> None:
    assert eventually(answers(0, "", None, "here", "later"), "a value") == "here"


def test_a_value_is_what_accept_takes_even_if_it_is_false() -> None:
    assert eventually(answers(2, 1, 0), "nothing left", accept=lambda left: left == 0) == 0


def test_a_failure_shows_what_was_expected_the_last_value_and_where_to_look() -> None:
    with pytest.raises(AssertionError) as failure:
        eventually(answers([], [1]), "two items", accept=lambda items: len(items) == 2, timeout=0, look_at="/var/log/x")
    assert str(failure.value) == "expected  two items within 0 s\ngot       []\nlook at   /var/log/x"


def test_a_failure_without_a_place_to_look_at_names_none() -> None:
    with pytest.raises(AssertionError) as failure:
        eventually(answers(None), "a value", timeout=0)
    assert str(failure.value) == "expected  a value within 0 s\ngot       None"


def test_the_value_at_the_deadline_still_counts() -> None:
    assert eventually(answers(None, "late"), "a value", timeout=0.005) == "late"


def test_an_exception_ends_the_wait_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        eventually(answers(ZeroDivisionError(), "never asked"), "a value", retry_on=OSError)


def test_an_exception_to_retry_on_counts_as_not_yet() -> None:
    assert eventually(answers(ConnectionRefusedError(), "up"), "an answer", retry_on=OSError) == "up"


def test_the_last_exception_is_shown_and_is_the_failures_cause() -> None:
    refused = ConnectionRefusedError("port 1")
    with pytest.raises(AssertionError, match="got       ConnectionRefusedError") as failure:
        eventually(answers(refused), "an answer", timeout=0, retry_on=(OSError, KeyError))
    assert failure.value.__cause__ is refused
