"""Any object as text: bounded in size, without raising, and without evaluating what would query a database.

Applications log and raise with whatever they have: cyclic or enormous structures, objects whose ``__str__`` raises,
querysets. For small built-in values the results are those of ``str`` and ``repr``.
"""

from __future__ import annotations

import sys
from datetime import date, time
from itertools import islice
from typing import Any

from django.utils.functional import LazyObject, empty

from . import _database_errors

_MAX_DEPTH = 20
# str() refuses longer integers (sys.set_int_max_str_digits), and takes quadratic time for them.
_MAX_BITS = 4096
_BRACKETS: dict[type[Any], tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}
CONTAINERS = frozenset(_BRACKETS)
_BY_STR = BaseException.__str__


def name_of(kind: type[Any]) -> str:
    """The class's qualified name."""
    try:
        return str.__str__(kind.__qualname__)
    except Exception:  # a metaclass may define it as anything
        return "object"


def text_of(value: object, limit: int) -> str:
    """``str(value)``, at least its first ``limit`` characters."""
    kind = type(value)
    if kind is str:
        return value[:limit]  # type: ignore[index]
    if issubclass(kind, BaseException):  # isinstance() would evaluate a lazy object
        return exception_text(value, limit)  # type: ignore[arg-type]
    return _Text(limit).render(value, as_text=True)


def repr_of(value: object, limit: int) -> str:
    """``repr(value)``, at least its first ``limit`` characters."""
    return _Text(limit).render(value, as_text=False)


def exception_text(exc: BaseException, limit: int) -> str:
    """``str(exc)``, at least its first ``limit`` characters; of a database error, without the values in it."""
    shown = _database_errors.text_of(exc)
    if shown is not None:
        return shown
    try:
        by, args = type(exc).__str__, exc.args
    except Exception:
        return _unprintable(exc)
    if by is _BY_STR:
        if len(args) == 1:
            return text_of(args[0], limit)
        return repr_of(args, limit) if args else ""
    return _Text(limit).render(exc, as_text=True)


def is_lazy(kind: type[Any]) -> bool:
    """Whether objects of this class are computed at first use: even isinstance() may evaluate them."""
    # Not imported, since gunicorn's master needs no models: without the module there is no queryset.
    query_set = getattr(sys.modules.get("django.db.models.query"), "QuerySet", LazyObject)
    return issubclass(kind, (LazyObject, query_set))


def evaluated(value: object) -> object:
    """What a lazy object stands for, if that is known already; otherwise, a text that names its class."""
    kind = type(value)
    if issubclass(kind, LazyObject):
        wrapped = object.__getattribute__(value, "__dict__").get("_wrapped", empty)
        return f"<{name_of(kind)}>" if wrapped is empty else wrapped
    model = getattr(value, "model", None)
    return f"<{name_of(kind)} of {getattr(getattr(model, '_meta', None), 'label', '?')}>"


def encodable(text: str) -> str:
    """``text`` with lone surrogates, which UTF-8 can't encode, as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _unprintable(value: object) -> str:
    return f"<unprintable {name_of(type(value))}>"


class _Text:
    """Collects text until its limit is reached."""

    __slots__ = ("_left", "_open", "_parts")

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._parts: list[str] = []
        self._open: set[int] = set()

    def render(self, value: object, *, as_text: bool) -> str:
        try:
            self._add_value(value, as_text=as_text)
        except Exception:  # for example a collection that another thread changes
            self._parts.append(_unprintable(value))
        return "".join(self._parts)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)

    def _add_value(self, value: Any, *, as_text: bool = False) -> None:
        kind = type(value)
        if kind is str:
            shown = value[: max(self._left, 0)]
            self._add(shown if as_text else repr(shown))
        elif kind in _BRACKETS:
            self._add_items(value, kind)
        elif is_lazy(kind):
            known = evaluated(value)
            self._add_value(known, as_text=as_text or type(known) is str)
        else:
            self._add(_other(value, kind, as_text=as_text)[: max(self._left, 0)])

    def _add_items(self, value: Any, kind: type[Any]) -> None:
        before, after = _BRACKETS[kind]
        if not value and kind in (set, frozenset):
            self._add(f"{kind.__name__}()")
            return
        if id(value) in self._open or len(self._open) >= _MAX_DEPTH:
            self._add(f"{before}...{after}")
            return
        self._open.add(id(value))
        self._add(before)
        items = value.items() if kind is dict else value
        # An item has at least one character.
        for number, item in enumerate(islice(items, max(self._left, 0))):
            if self._left <= 0:
                break
            if number:
                self._add(", ")
            if kind is dict:
                self._add_value(item[0])
                self._add(": ")
                self._add_value(item[1])
            else:
                self._add_value(item)
        self._add("," + after if kind is tuple and len(value) == 1 else after)
        self._open.discard(id(value))


def _other(value: Any, kind: type[Any], *, as_text: bool) -> str:
    try:
        if issubclass(kind, int) and int.bit_length(value) > _MAX_BITS:
            return f"<{name_of(kind)} of {int.bit_length(value)} bits>"
        # The result may be of a subclass of str that behaves differently.
        return str.__str__(str(value) if as_text else repr(value))
    except Exception:
        return _unprintable(value)


def moment(value: date | time) -> str:
    """A date or time as ISO 8601."""
    try:
        return str.__str__(value.isoformat())
    except Exception:
        return _unprintable(value)
