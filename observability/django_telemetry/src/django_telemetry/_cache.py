"""Caches bounded by the memory of what they keep, since clients and statements choose how long their keys are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, ParamSpec, Protocol, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

LIMIT = 1024 * 1024
# An entry's share of the dict and of its objects' headers that size_of() doesn't see.
_ENTRY_BYTES = 200
_MISSING: Any = object()


def size_of(value: Any) -> int:
    """The memory of texts, numbers and collections of them, in bytes; of other objects, without what they refer to."""
    size = getsizeof(value, 64)
    if isinstance(value, (tuple, list, frozenset, set)):
        return size + sum(map(size_of, value))
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(item) for key, item in value.items())
    return size


class SizedCache(dict[K, V]):
    """A dict that is emptied when its entries would take more than ``limit`` bytes. Looking up costs what a dict costs.

    An entry of more than an eighth of the limit isn't kept.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.limit = limit
        self.bytes = 0

    def keep(self, key: K, value: V, size: int) -> V:
        """Keep ``value``, of ``size`` bytes, and return it."""
        size += size_of(key) + _ENTRY_BYTES
        if size <= self.limit // 8:
            if self.bytes + size > self.limit:
                self.clear()
            self.bytes += size
            self[key] = value
        return value

    def clear(self) -> None:
        super().clear()
        self.bytes = 0


class Cached(Protocol[P, R_co]):
    """A function with its cached results."""

    known: SizedCache[Any, Any]
    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


def sized_cache(function: Callable[P, R]) -> Cached[P, R]:
    """Like functools.cache for positional texts, with at most 1 MiB of arguments and results."""
    known: SizedCache[tuple[Any, ...], R] = SizedCache()

    @functools.wraps(function)
    def call(*args: Any) -> R:
        result = known.get(args, _MISSING)
        if result is _MISSING:
            result = cast("Callable[..., R]", function)(*args)
            known.keep(args, result, size_of(result))
        return result

    call.__dict__["known"] = known
    return cast("Cached[P, R]", call)
