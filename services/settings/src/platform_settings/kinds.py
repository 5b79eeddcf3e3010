"""The usual kinds of variables. Each function declares a dataclass field, typed as the parsed value.

`**how` is passed to `variable`: name, allowed, secret, check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from environs import ValidationError, validate

from .reader import REQUIRED, variable

OptionalText = TypeVar("OptionalText", bound=str | None)
OptionalPath = TypeVar("OptionalPath", bound=Path | None)

MAX_PORT = 65_535


def text(
    default: OptionalText = REQUIRED, *, shortest: int = 0, longest: int | None = None, allowed: str = "", **how: Any
) -> OptionalText:
    """Text with a limited length."""
    lengths = f"{shortest} to {longest}" if longest else f"{shortest} or more"
    length = validate.Length(min=shortest, max=longest)
    allowed = allowed or f"{lengths} characters"
    value: OptionalText = variable("str", default, kind="text", allowed=allowed, validate=length, **how)
    return value


def integer(default: int, low: int, high: int, *, allowed: str = "", **how: Any) -> int:
    """A whole number."""
    allowed = allowed or f"a whole number from {low} to {high}"
    value: int = variable("int", default, kind="integer", allowed=allowed, validate=validate.Range(low, high), **how)
    return value


def port(default: int, *, low: int = 1, allowed: str = "", **how: Any) -> int:
    """A TCP port; 0, if `low` allows it, selects a free one."""
    return integer(default, low, MAX_PORT, allowed=allowed or f"a port from {low} to {MAX_PORT}", **how)


def number(default: float, low: float, high: float, *, allowed: str = "", **how: Any) -> float:
    """A finite number; durations are in seconds."""
    allowed = allowed or f"a number from {low:g} to {high:g}"
    value: float = variable("float", default, kind="number", allowed=allowed, validate=validate.Range(low, high), **how)
    return value


def choice(default: str, options: Sequence[str], *, allowed: str = "", **how: Any) -> str:
    """One of a few words, case-insensitive."""

    def parse(given: str) -> str:
        if given.lower() not in options:
            raise ValidationError("none of these")
        return given.lower()

    value: str = variable(parse, default, kind="choice", allowed=allowed or ", ".join(options), **how)
    return value


def switch(default: bool, *, allowed: str = "on, off", **how: Any) -> bool:
    """on or off, case-insensitive."""

    def parse(given: str) -> bool:
        if given.lower() not in ("on", "off"):
            raise ValidationError("neither")
        return given.lower() == "on"

    value: bool = variable(parse, "on" if default else "off", kind="switch", allowed=allowed, **how)
    return value


def email(default: str, *, allowed: str = "an e-mail address", **how: Any) -> str:
    """An e-mail address."""
    value: str = variable("str", default, kind="email", allowed=allowed, validate=validate.Email(), **how)
    return value


def url(default: str = REQUIRED, *, or_none: bool = False, allowed: str = "", **how: Any) -> str:
    """An HTTP URL without a query or a trailing slash. With `or_none` it may be empty."""
    allowed = allowed or f"http(s)://host[:port][/path]{', or empty: none' if or_none else ''}"

    def parse(given: str) -> str:
        if not given and or_none:
            return ""
        parts = split_url(given, "http", "https")
        if parts.query or parts.fragment:
            raise ValidationError("a query or fragment")
        return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")

    value: str = variable(parse, default, kind="url", allowed=allowed, **how)
    return value


def origin(default: str, *, allowed: str = "http(s)://host[:port], without a path", **how: Any) -> str:
    """The scheme, host and port of an HTTP server."""
    value: str = variable(parse_origin, default, kind="origin", allowed=allowed, **how)
    return value


def host_port(default: str, *, allowed: str = "host:port", **how: Any) -> str:
    """The host and port of a server that doesn't speak HTTP."""

    def parse(given: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.\-_\[\]:]+:[0-9]{1,5}", given):
            raise ValidationError("not host:port")
        return given

    value: str = variable(parse, default, kind="host_port", allowed=allowed, **how)
    return value


def folder(default: OptionalPath, *, absolute: bool = False, allowed: str = "a folder", **how: Any) -> OptionalPath:
    """A folder, which need not exist yet. It may be empty where the default is None."""
    return _path("folder", default, absolute=absolute, allowed=allowed, **how)


def file(default: OptionalPath, *, allowed: str = "a file", **how: Any) -> OptionalPath:
    """A file, which need not exist yet. It may be empty where the default is None."""
    return _path("file", default, absolute=False, allowed=allowed, **how)


def readable_file(*, allowed: str = "a readable file", **how: Any) -> Path | None:
    """A readable file, or none."""
    value: Path | None = variable(parse_readable_file, "", kind="readable_file", allowed=allowed, **how)
    return value


def parse_readable_file(given: str) -> Path | None:
    """Return the path of a readable file. Raises ValidationError."""
    if not given:
        return None
    path = Path(given)
    try:
        path.open("rb").close()
    except OSError:
        raise ValidationError("not readable") from None
    return path


def parse_origin(given: str) -> str:
    """Return an HTTP server's scheme, host and port, without a trailing slash. Raises ValidationError."""
    parts = split_url(given, "http", "https")
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValidationError("more than scheme, host and port")
    return f"{parts.scheme}://{parts.netloc}"


def split_url(given: str, *schemes: str) -> SplitResult:
    """Split a URL with one of the schemes, a host and a valid port. Raises ValidationError."""
    try:
        parts = urlsplit(given)
        _ = parts.port
    except ValueError:
        raise ValidationError("not a URL") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise ValidationError("another scheme, or no host")
    return parts


def _path(kind: str, default: OptionalPath, *, absolute: bool, **how: Any) -> OptionalPath:
    def parse(given: str) -> Path | None:
        if not given:
            if default is None:
                return None
            raise ValidationError("empty")
        try:
            path = Path(given).expanduser()
        except RuntimeError:
            raise ValidationError("no such user") from None
        if absolute and not path.is_absolute():
            raise ValidationError("not absolute")
        return path

    value: OptionalPath = variable(parse, str(default or ""), kind=kind, **how)
    return value
