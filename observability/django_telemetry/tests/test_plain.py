"""Any object as text: like str() and repr() for small values, bounded and without exceptions for all others."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy
from django_telemetry._plain import exception_text, repr_of, text_of
from django_telemetry.redaction import redact_value
from hypothesis import given
from hypothesis import strategies as st

from .hostile import ANYTHING, PLAIN, LazyRows, Raising

ENOUGH = 100_000


@given(PLAIN)
def test_small_values_have_the_text_of_str_and_repr(value: Any) -> None:
    assert text_of(value, ENOUGH) == str(value)
    assert repr_of(value, ENOUGH) == repr(value)


@given(st.lists(PLAIN, max_size=3), st.sampled_from([ValueError, KeyError, OSError, Exception, UnicodeError]))
def test_exceptions_have_the_text_of_str(args: list[Any], kind: type[Exception]) -> None:
    exc = kind(*args)
    assert exception_text(exc, ENOUGH) == str(exc)


@given(ANYTHING, st.integers(0, 300))
def test_every_object_has_a_bounded_text(value: Any, limit: int) -> None:
    for text in (text_of(value, limit), repr_of(value, limit), exception_text(Exception(value, value), limit)):
        assert type(text) is str
        # Closing brackets, and the element that crosses the limit.
        assert len(text) <= 12 * limit + 4000


@given(ANYTHING)
def test_every_object_becomes_data_that_json_has(value: Any) -> None:
    def check(data: Any, depth: int) -> None:
        assert depth < 10
        assert type(data) in (str, int, float, bool, type(None), list, dict)
        if type(data) is int:
            assert -(2**63) <= data < 2**64
        for key, item in data.items() if type(data) is dict else ():
            assert type(key) is str
            check(item, depth + 1)
        for item in data if type(data) is list else ():
            check(item, depth + 1)

    check(redact_value(value), 0)


def test_lazy_objects_are_shown_only_when_they_are_evaluated_already() -> None:
    user = SimpleLazyObject(lambda: "known by now")
    assert text_of(user, 100) == "<SimpleLazyObject>"
    assert str(user) == "known by now"
    assert text_of(user, 100) == "known by now"
    assert text_of([LazyRows(User)], 100) == "[<LazyRows of auth.User>]"
    assert text_of(gettext_lazy("Yes"), 100) == "Yes"


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_that_str_refuses_are_described(sign: int) -> None:
    value = sign * 10**5000
    assert text_of(value, 100) == f"<int of {value.bit_length()} bits>"


def test_an_element_that_raises_does_not_cost_the_others() -> None:
    assert text_of([1, Raising(), "two"], 200) == "[1, <unprintable Raising>, 'two']"
    assert redact_value({"a": Raising(), "b": 2}) == {"a": "<unprintable Raising>", "b": 2}
