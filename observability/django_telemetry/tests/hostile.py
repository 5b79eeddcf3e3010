"""Objects that applications log and raise, and that serialisers fail on; for hypothesis."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.functional import SimpleLazyObject
from hypothesis import strategies as st


class Evaluated(AssertionError):
    """A lazy object was evaluated."""


class Raising:
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise ValueError("planted-in-str")

    def __repr__(self) -> str:
        raise LookupError("planted-in-repr")

    def __eq__(self, other: object) -> bool:
        raise TypeError("planted-in-eq")

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("planted-in-getattr")


class RaisingText(str):
    def __str__(self) -> str:
        raise ValueError("planted-in-str")

    def __getitem__(self, index: Any) -> str:
        raise ValueError("planted-in-getitem")

    def __len__(self) -> int:
        raise ValueError("planted-in-len")


class RaisingMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise ValueError("planted-in-iter")

    def __len__(self) -> int:
        return 3


class EndlessList(list[int]):
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


class WrongStr:
    def __str__(self) -> Any:
        return 7


class LazyRows(QuerySet[Any]):
    """A queryset that must not be evaluated."""

    def _fetch_all(self) -> None:
        raise Evaluated


def _evaluate() -> object:
    raise Evaluated


def _circle() -> list[Any]:
    circle: list[Any] = [{"a": 1}]
    circle[0]["self"] = circle
    return circle


def _deep(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


ODD = st.one_of(
    st.builds(Raising),
    st.builds(RaisingText, st.text(max_size=5)),
    st.builds(RaisingMapping),
    st.builds(EndlessList),
    st.builds(WrongStr),
    st.builds(lambda: SimpleLazyObject(_evaluate)),
    st.builds(lambda: LazyRows(User)),
    st.builds(_circle),
    st.builds(_deep, st.sampled_from([3, 300, 5000])),
    st.builds(lambda: "x" * 200_000),
    st.builds(lambda: list(range(50_000))),
    st.builds(lambda: 10**5000),
    st.builds(lambda: -(2**63) - 1),
    st.builds(object),
    st.sampled_from([Raising, RaisingText, int, NotImplemented, ...]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
    st.decimals(),
    st.uuids(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
)
KEYS = st.one_of(st.text(st.characters(), max_size=10), st.integers(), st.none(), st.tuples(st.integers()))
# What repr() and str() agree on with the library, when it is small.
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.tuples(inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(st.integers(), max_size=3),
        st.frozensets(st.text(max_size=3), max_size=3),
    ),
    max_leaves=12,
)
ANYTHING = st.recursive(
    st.one_of(SCALARS, ODD),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(OrderedDict, st.dictionaries(KEYS, inner, max_size=3)),
    ),
    max_leaves=12,
)
