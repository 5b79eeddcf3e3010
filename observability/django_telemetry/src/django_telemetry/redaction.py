"""The deny-list of what must not leave the process, applied to spans, logs, error reports and metric labels."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ._work import current_work

REDACTED = "[redacted]"
MAX_MESSAGE = 2048
MAX_STACK = 16384

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

_JWT = r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"
_EMAIL = r"[A-Za-z0-9_.+%'-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
_SCHEME = r"\b(?:[Bb]earer|[Bb]asic|[Tt]oken|[Dd]igest)\s+[A-Za-z0-9._~+/=-]{6,}"
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
    """.replace("NAMES", "|".join(part.replace("_", "[_-]?") for part in _DENIED_PARTS if part not in _SHORT))
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
    is_denied.cache_clear()


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


@lru_cache(maxsize=4096)
def is_denied(name: str) -> bool:
    """Whether the value under this name (of a header, query or JSON key) must not leave the process."""
    normal = _normal(name)
    words = set(re.split(r"[^a-z0-9]+", normal))
    return any((part in words) if part in _SHORT else (part in normal) for part in (*_DENIED_PARTS, *_extra_keys))


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit)
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _replace(match: re.Match[str]) -> str:
    text = match.group()
    digits = re.sub(r"[ -]", "", text)
    # Order numbers and timestamps are digits too; only digits that pass the card checksum are a card number.
    if digits.isdigit() and not _luhn(digits):
        return text
    return REDACTED


def redact_text(text: str, limit: int = MAX_MESSAGE) -> str:
    """``text`` without tokens, keys, card numbers, e-mail addresses and denied values, cut to ``limit`` characters."""
    if len(text) > limit:
        text = text[:limit] + "…"
    if not _SUSPICIOUS.search(text):
        return text
    text = _PATTERN.sub(_replace, text)
    return _KEYED.sub(lambda match: match.group("name") + REDACTED, text)


def redact_value(value: Any, depth: int = 0) -> Any:
    """``value`` with denied keys and sensitive patterns replaced recursively; other types become redacted text."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= 6:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if is_denied(str(key)) else redact_value(item, depth + 1)
            for key, item in list(value.items())[:64]
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(item, depth + 1) for item in list(value)[:64]]
    return redact_text(str(value), 256)


def _foreign_values() -> tuple[str, ...]:
    work = current_work()
    return work.foreign_values() if work is not None else ()


def redact_failure(text: str, limit: int = MAX_MESSAGE) -> str:
    """Like redact_text(), and without the client-supplied values of the current unit of work."""
    for value in _foreign_values():
        if value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", REDACTED, text)
        elif (quoted := repr(value)[1:-1]) in text:
            text = text.replace(quoted, REDACTED)
    return redact_text(text, limit)


def redact_exception(exc: BaseException) -> tuple[str, str]:
    """The message and the stack trace of ``exc`` (files, lines, functions; no values), both redacted."""
    message = redact_failure(str(exc))
    frames: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines = traceback.format_tb(current.__traceback__)
        text = f"{type(current).__qualname__}: {redact_failure(str(current))}"
        frames.append("Traceback (most recent call last):\n" + "".join(lines[-40:]) + text)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    stack = "\n\nThe above was caused by:\n\n".join(frames)
    return message, stack[:MAX_STACK]
