"""Password rules beyond Django's."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

FEWEST_CHARACTERS = 5


class VarietyValidator:
    """Refuses passwords of few different characters (blanks, `aaaaaaaaaa`), and a common password repeated."""

    def __init__(self) -> None:
        self._common = CommonPasswordValidator()

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for a password that is too uniform."""
        if len(set(password.casefold()) - {" "}) < FEWEST_CHARACTERS:
            raise ValidationError(
                f"This password has fewer than {FEWEST_CHARACTERS} different characters.", code="password_too_uniform"
            )
        unit = _repeated(password)
        if unit != password:
            self._common.validate(unit, user)

    def get_help_text(self) -> str:
        """Return the rule for people."""
        return f"Your password must have {FEWEST_CHARACTERS} or more different characters."


def _repeated(text: str) -> str:
    """Return the shortest text whose repetition is the text."""
    # A text is a repetition if it occurs within itself doubled, other than at both ends.
    return text[: (text + text).index(text, 1)]
