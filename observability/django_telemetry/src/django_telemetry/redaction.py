"""The deny-list of what must not leave the process, applied to spans, logs, error reports and metric labels."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from datetime import date, time
from itertools import islice
from typing import Any

from . import _database_errors
from ._cache import sized_cache
from ._guard import internal_error
from ._plain import evaluated, exception_text, is_lazy, moment, name_of, text_of
from ._work import current_work

REDACTED = "[redacted]"
MAX_MESSAGE = 2048
MAX_STACK = 16384
_MAX_DEPTH = 6
_MAX_ITEMS = 64
_MAX_CAUSES = 16
_MAX_EXCEPTIONS = 16
_MAX_FRAMES = 40
_MAX_NOTES = 8
# What a JSON serialiser and the log store keep as a number.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

# Parts of names (headers, query and JSON keys, metadata) whose values are secret or personal.
_DENIED_PARTS = (
    "authorization",
    "cookie",
    "credential",
    "csrf",
    "email",
    "e_mail",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "privatekey",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
    "api_key",
    "apikey",
    "x_api",
    "card_number",
    "cardnumber",
    "cvc",
    "cvv",
    "iban",
    "pan",
    "phone",
    "ssn",
)
_SHORT = {"pan", "pwd", "cvc", "cvv", "ssn", "jwt"}  # whole words only: "pan" is part of "company"

# Words that only contain a denied part.
_OTHER_WORDS = re.compile(
    r"secret(?:ar|ion|ing|e[sd]?(?![a-z]))|tokeni[sz]|(?:ob|pos)session|phone[tm]"
    r"|(?<![a-z])(?:i|smart|micro|mega|head|ear|saxo|gramo|xylo|vibra)phone"
)
# Words of names whose numbers are counts, sizes and times.
_MEASURES = frozenset(
    {"tokens", "count", "counts", "total", "duration", "seconds", "ms", "size", "length", "limit", "max", "min"}
    | {"usage", "used", "rate", "ttl", "timeout", "age", "attempts", "latency", "bytes", "budget"}
)
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,12})?\Z")
_STATES = frozenset({"true", "false", "none", "null"})

_JWT = r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"
_EMAIL = r"[A-Za-z0-9_.+%'-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
# After the words of ordinary language ("token missing"), only what doesn't look like another word.
_SCHEME = (
    r"\b(?:[Bb]earer|(?:[Bb]asic|[Tt]oken|[Dd]igest)(?=\s+(?:\S*[0-9=]|\S*[a-z][A-Z]|\S{20})))\s+[A-Za-z0-9._~+/=-]{6,}"
)
_USERINFO = r"(?<=://)[^/\s:@]{0,256}:[^/\s@]{1,256}(?=@)"
_PREFIXED = (
    r"\b(?:tok|sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|SG|whsec)[_.-]?[A-Za-z0-9_-]{8,}"
)
_CARD = r"(?<![\dA-Fa-f-])\d(?:[ -]?\d){12,18}(?![\dA-Fa-f-])"
_PEM = r"-----BEGIN [A-Z ]{3,40}-----[\s\S]{0,8192}?(?:-----END [A-Z ]{3,40}-----|\Z)"
# PostgreSQL quotes the row's values in its error details.
_ROW = r"(?<=\)=\()(?:[^()]|\([^()]*\)){1,1024}(?=\))|(?<=row contains \()[^\n]{1,2048}(?=\))"
_PATTERN = re.compile("|".join((_PEM, _JWT, _EMAIL, _SCHEME, _USERINFO, _PREFIXED, _ROW, _CARD)))
# name=value, "name": "value", name: value, with a denied name.
_KEYED = re.compile(
    r"""(?ix)
    (?P<name>["']?[a-z0-9_.-]{0,40}?(?:NAMES)[a-z0-9_.-]{0,40}["']?\s*[=:]\s*)
    (?P<value>"[^"]{0,1024}"|'[^']{0,1024}'|(?:bearer|basic|token|digest)\s+\S+|[^\s,;&)}\]]+)
    """.replace(
        "NAMES",
        "|".join(
            f"(?<![a-z]){part}(?![a-z])" if part in _SHORT else part.replace("_", "[_-]?") for part in _DENIED_PARTS
        ),
    )
)
# A cheap check, so that most strings skip the full patterns.
_SUSPICIOUS = re.compile(
    r"@|%40|eyJ|://|[Bb]earer |[Bb]asic |-----BEGIN|\d[ -]?\d{3}|[=:]|row contains|[_.-][A-Za-z0-9_-]{8}|AKIA|ASIA"
)

_extra_keys: tuple[str, ...] = ()


def configure(extra_keys: Iterable[str]) -> None:
    """Add denied names, from TELEMETRY_REDACT_KEYS. A name is denied when it contains one of them."""
    global _extra_keys
    _extra_keys = tuple(_normal(key) for key in extra_keys)
    is_denied.known.clear()


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


@sized_cache
def is_denied(name: str) -> bool:
    """Whether the value under this name (of a header, query or JSON key) must not leave the process."""
    normal = _OTHER_WORDS.sub("", _normal(name))
    words = set(re.split(r"[^a-z0-9]+", normal))
    return any((part in words) if part in _SHORT else (part in normal) for part in (*_DENIED_PARTS, *_extra_keys))


def is_hidden(name: str, value: Any) -> bool:
    """Whether ``value`` must not leave the process under this name. Counts, durations and truth values may."""
    if not is_denied(name):
        return False
    if value is None or type(value) is bool or (type(value) is str and value.lower() in _STATES):
        return False
    if type(value) in (int, float) or (type(value) is str and _NUMBER.match(value)):
        return _MEASURES.isdisjoint(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name))
    return True


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit)
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


# Numbers by issuer and length, as cards have them: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay,
# Maestro. Ids of 18 or 19 digits (Snowflake) pass the checksum as often as any other number.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
    r"|(?:5[0678]|6[037])\d{11,14}"
)


def _replace(match: re.Match[str]) -> str:
    text = match.group()
    digits = re.sub(r"[ -]", "", text)
    # Order numbers and timestamps are digits too.
    if digits.isdigit() and not (_ISSUED.fullmatch(digits) and _luhn(digits)):
        return text
    return REDACTED


def _replace_keyed(match: re.Match[str]) -> str:
    name, value = match.group("name"), match.group("value")
    bare = name.rstrip("=: \t\r\n").strip("\"'")
    return name + REDACTED if is_hidden(bare, value.strip("\"'.")) else match.group()


def redact_text(text: str, limit: int = MAX_MESSAGE) -> str:
    """``text`` without tokens, keys, card numbers, e-mail addresses and denied values, cut to ``limit`` characters."""
    text = _database_errors.without_recent(text, limit)
    if len(text) > limit:
        text = text[:limit] + "…"
    text = _database_errors.without_forms(text)
    if not _SUSPICIOUS.search(text):
        return text
    text = _PATTERN.sub(_replace, text)
    return _KEYED.sub(_replace_keyed, text)


class Budget:
    """How much more of some values is copied: scalars, and characters of text."""

    __slots__ = ("characters", "scalars")

    def __init__(self, scalars: int = 1000, characters: int = 32768) -> None:
        self.scalars = scalars
        self.characters = characters

    def text(self, text: str, limit: int) -> str:
        """``text``, redacted, cut to ``limit`` characters and to what is left."""
        text = redact_text(text, max(0, min(limit, self.characters)))
        self.characters -= len(text)
        return text


def redact_value(value: Any, budget: Budget | None = None, depth: int = 0) -> Any:
    """``value`` as data that JSON can contain, with denied keys and sensitive patterns replaced recursively.

    Objects of other types become redacted text, dates ISO 8601. Lazy objects and querysets are not evaluated. Never
    raises; what exceeds ``budget`` is cut.
    """
    budget = budget or Budget()
    try:
        return _redacted(value, budget, depth)
    except Exception:  # for example a mapping whose items() raises, or that another thread changes
        return f"<unprintable {name_of(type(value))}>"


def _redacted(value: Any, budget: Budget, depth: int) -> Any:
    kind = type(value)
    budget.scalars -= 1
    if budget.scalars < 0:
        return "…"
    if kind is str:
        return budget.text(value, MAX_MESSAGE)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int and _SMALLEST <= value <= _LARGEST:
        return value
    if depth >= _MAX_DEPTH:
        return f"<{name_of(kind)}>"
    if is_lazy(kind):
        return redact_value(evaluated(value), budget, depth + 1)
    if issubclass(kind, Mapping):
        pairs = ((text_of(key, 256)[:256], item) for key, item in islice(value.items(), _MAX_ITEMS))
        return {
            budget.text(name, 256): REDACTED if is_hidden(name, item) else redact_value(item, budget, depth + 1)
            for name, item in pairs
        }
    if issubclass(kind, (list, tuple, set, frozenset)):
        return [redact_value(item, budget, depth + 1) for item in islice(value, _MAX_ITEMS)]
    return _scalar(value, kind, budget)


def _scalar(value: Any, kind: type[Any], budget: Budget) -> Any:
    """A value of a type that JSON doesn't have, or of a subclass of one that it has."""
    if issubclass(kind, str):
        return budget.text(str.__str__(value), MAX_MESSAGE)
    if issubclass(kind, int) and _SMALLEST <= int.__index__(value) <= _LARGEST:
        return int.__index__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, (date, time)):
        return moment(value)
    return budget.text(text_of(value, 1024), 256)


def redact_failure(text: str, limit: int = MAX_MESSAGE) -> str:
    """Like redact_text(), and without the client-supplied values of the current unit of work."""
    # First: the texts of database errors are recognised as a whole.
    text = _database_errors.without_recent(text, limit)
    work = current_work()
    if work is not None:
        text = work.without_client_values(text, limit, REDACTED)
    return redact_text(text, limit)


def redact_exception(exc: BaseException) -> tuple[str, str]:
    """The message and the stack trace of ``exc`` (files, lines, functions; no values), both redacted. Never raises.

    The stack trace includes the causes, the members of an exception group, and the notes of each exception.
    """
    frames: list[str] = []
    try:
        _database_errors.note_all(exc)
        _describe(exc, frames, set(), 0)
        return _failure_text(exc), "".join(frames)[:MAX_STACK]
    except Exception:  # an exception class may define any attribute as it likes
        internal_error("errors", "the description of an exception")
        return f"<unprintable {name_of(type(exc))}>", "".join(frames)[:MAX_STACK]


def _failure_text(exc: BaseException) -> str:
    # Somewhat more than is kept, so that a value at the end is recognised.
    return redact_failure(exception_text(exc, 2 * MAX_MESSAGE))


def _describe(exc: BaseException, frames: list[str], seen: set[int], depth: int) -> None:
    """Add the texts of ``exc``, its causes and its members to ``frames``."""
    current: BaseException | None = exc
    for _ in range(_MAX_CAUSES):
        if current is None or id(current) in seen or len(seen) >= _MAX_EXCEPTIONS:
            return
        if sum(map(len, frames)) > MAX_STACK:
            return
        seen.add(id(current))
        if current is not exc:
            frames.append("\n\nThe above was caused by:\n\n")
        frames.append("Traceback (most recent call last):\n")
        # Of a deep recursion only the innermost frames.
        frames += traceback.format_tb(current.__traceback__, -_MAX_FRAMES)
        frames.append(f"{name_of(type(current))}: {_failure_text(current)}")
        frames += (f"\n{note}" for note in _notes(current))
        if isinstance(current, BaseExceptionGroup) and depth < _MAX_DEPTH:
            for number, member in enumerate(current.exceptions[:_MAX_EXCEPTIONS], 1):
                frames.append(f"\n\nMember {number} of {name_of(type(current))}:\n\n")
                _describe(member, frames, seen, depth + 1)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _notes(exc: BaseException) -> list[str]:
    """The notes of ``exc`` (PEP 678), redacted."""
    try:
        notes: Any = exc.__notes__
    except Exception:  # usually it has none
        return []
    if not isinstance(notes, (list, tuple)):  # Python accepts anything
        notes = (notes,)
    return [redact_failure(text_of(note, 2 * MAX_MESSAGE)) for note in notes[:_MAX_NOTES]]
