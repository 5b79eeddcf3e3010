"""Declares environment variables as fields of a frozen dataclass and reads them all at once, by `environs`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from environs import Env, EnvValidationError, ValidationError

T = TypeVar("T")

# Takes a value and the well-formed values of all variables by name; returns the problem, or None.
Check = Callable[[Any, Mapping[str, Any]], str | None]

_KEY = "platform_settings"
# As a default: the variable must be set.
REQUIRED: Any = ...


class SettingsError(ValueError):
    """Variables are missing or wrong. The message has a line for each: its name, what is allowed, the problem."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(sorted(problems.items()))
        lines = (f"\n  {name}: {problem}" for name, problem in self.problems.items())
        super().__init__(f"Wrong settings:{''.join(lines)}")


@dataclass(frozen=True)
class Variable:
    """One environment variable.

    `parse` is the name of one of environs' own parsers, which receives `options`, or a function that raises
    ValidationError or ValueError. `default` is the parsed value for the former and text for the latter. `name` is empty
    if the variable is the field's name in upper case. A secret may also be read from the file <name>_FILE.
    """

    kind: str
    parse: str | Callable[[str], Any]
    default: Any
    allowed: str
    name: str = ""
    secret: bool = False
    check: Check | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def read(self, env: Env, name: str) -> Any:
        """Return the parsed value; None when it is wrong, with the error stored in `env`."""
        if isinstance(self.parse, str):
            return getattr(env, self.parse)(name, self.default, **self.options)
        env.add_parser(name, _refusing(self.parse))
        return getattr(env, name)(name, self.default)

    def default_value(self) -> Any:
        """Return the parsed default."""
        return self.default if isinstance(self.parse, str) else self.parse(self.default)


def variable(
    parse: str | Callable[[str], Any],
    default: Any = REQUIRED,
    *,
    allowed: str,
    kind: str = "",
    name: str = "",
    secret: bool = False,
    check: Check | None = None,
    **options: Any,
) -> Any:
    """Declare a dataclass field read from an environment variable; without a default it must be set. See Variable."""
    declared = Variable(
        kind=kind or (parse if isinstance(parse, str) else parse.__name__.strip("_")),
        parse=parse,
        default=default,
        allowed=allowed,
        name=name,
        secret=secret,
        check=check,
        options=options,
    )
    metadata = {_KEY: declared}
    if default is REQUIRED:
        return field(kw_only=True, repr=not secret, metadata=metadata)
    return field(default_factory=declared.default_value, kw_only=True, repr=not secret, metadata=metadata)


def variables(settings: type, prefix: str = "") -> dict[str, Variable]:
    """Return the variables of a dataclass by name, in order. `prefix` is prepended to names derived from fields."""
    return {name: declared for name, _, declared in _declared(settings, prefix)}


def read(
    settings: type[T], environ: Mapping[str, str] = os.environ, *, prefix: str = "", blank_is_unset: bool = False
) -> T:
    """Read the dataclass from the environment. Raises SettingsError naming every variable that is wrong.

    With `blank_is_unset`, values are stripped of spaces, and a variable without a value counts as not set.
    """
    values, problems = parse(variables(settings, prefix), environ, blank_is_unset=blank_is_unset)
    if problems:
        raise SettingsError(problems)
    return build(settings, values, prefix=prefix)


def build(settings: type[T], values: Mapping[str, Any], *, prefix: str = "", **others: Any) -> T:
    """Build the dataclass from values that `parse` returned. `others` are for fields that aren't variables."""
    return settings(**{field_name: values[name] for name, field_name, _ in _declared(settings, prefix)}, **others)


def parse(
    declared: Mapping[str, Any], environ: Mapping[str, str], *, blank_is_unset: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return values and problems by variable, for variables known only at runtime (otherwise use `read`).

    `declared` maps names to Variables, or to fields declared by `kinds`. Every variable is in one of the two.
    """
    known = {name: of(entry) for name, entry in declared.items()}
    if blank_is_unset:
        environ = {name: value.strip() for name, value in environ.items() if value.strip()}
    given, problems = _given(known, environ)
    env = _Environ(given)
    values = {name: entry.read(env, name) for name, entry in known.items() if name not in problems}
    try:
        env.seal()
    except EnvValidationError as error:
        messages: Any = error.error_messages
        problems |= {name: _sentence(found) for name, found in messages.items()}
    values = {name: value for name, value in values.items() if name not in problems}
    for name in tuple(values):
        check = known[name].check
        if check and (problem := check(values[name], values)):
            problems[name] = problem
    problems = {name: f"allowed is {known[name].allowed} ({problem})" for name, problem in problems.items()}
    return {name: value for name, value in values.items() if name not in problems}, problems


def of(entry: Any) -> Variable:
    """Return the Variable that a field was declared with."""
    declared: Variable = entry.metadata[_KEY] if isinstance(entry, dataclasses.Field) else entry
    return declared


def _declared(settings: type, prefix: str) -> list[tuple[str, str, Variable]]:
    fields = [entry for entry in dataclasses.fields(settings) if _KEY in entry.metadata]
    return [(of(entry).name or f"{prefix}{entry.name.upper()}", entry.name, of(entry)) for entry in fields]


def _given(known: Mapping[str, Variable], environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables that are set, with the files of secrets read, and the problems with those files.

    environs' FileAwareEnv stops at the first unreadable file, and lets any variable be read from a file.
    """
    given = {name: environ[name] for name in known if name in environ}
    problems = {}
    for name in (name for name, entry in known.items() if entry.secret and environ.get(f"{name}_FILE")):
        if name in given:
            problems[name] = f"{name}_FILE is set as well"
            continue
        try:
            given[name] = Path(environ[f"{name}_FILE"]).read_text("utf-8").strip()
        except (OSError, ValueError):
            problems[name] = f"{name}_FILE is not a readable text file"
    return given, problems


class _Environ(Env):
    """environs over any mapping, as its FileAwareEnv is over files."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._given = given

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._given.get(env_key, default)


def _refusing(function: Callable[[str], Any]) -> Callable[[str], Any]:
    """Wrap `function` to raise the errors that environs collects. A ValueError's own text may contain the value."""

    def parse(value: str) -> Any:
        try:
            return function(value)
        except ValueError:
            raise ValidationError("not valid") from None

    return parse


def _sentence(messages: list[str]) -> str:
    text = "; ".join(message.rstrip(".") for message in messages)
    return text[:1].lower() + text[1:]
