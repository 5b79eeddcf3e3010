"""The environment of every service and program, declared as a frozen dataclass and read once, by `environs`.

    @dataclass(frozen=True)
    class Settings:
        port: int = kinds.port(9095)
        webhook: str = kinds.url("")

    settings = read(Settings, prefix="WATCHDOG_", blank_is_unset=True)

A wrong value stops the start: `read` raises SettingsError, which names every variable that is wrong at once, with what
is allowed and what the problem is. It shows no values: any of them may hold a secret. A variable that is declared as
secret may come from the file that <name>_FILE names, and stays out of the dataclass's repr.

Imports neither Django nor any other package of this repository.
"""

from environs import ValidationError, validate

from .reader import Check, SettingsError, Variable, build, of, parse, read, variable, variables

__all__ = [
    "Check",
    "SettingsError",
    "ValidationError",
    "Variable",
    "build",
    "of",
    "parse",
    "read",
    "validate",
    "variable",
    "variables",
]
