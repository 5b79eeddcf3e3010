"""The rules of text that people write: one normal form, no control, separator or bidirectional characters.

Every service normalises first and validates the normal form, so that a value accepted by one is accepted by all.
"""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_LENGTH = 254
# Joiners change the form of the letters beside them (Persian, Hindi); elsewhere they are invisible.
_JOINERS = frozenset("\u200c\u200d")


class InvalidText(ValueError):
    """A text that violates the rules. The message is for people and never contains the text."""


def is_printable(text: str, *, lines: bool = False) -> bool:
    """Whether every character is visible or a blank; with `lines`, tabs and line feeds are also allowed.

    Control, format (bidirectional, invisible), private and unassigned characters, lone surrogates and all separators
    except for blanks are not printable.
    """
    return all(
        character.isprintable() or (lines and character in "\n\t") or _joins(text, index)
        for index, character in enumerate(text)
    )


def printable(text: str, *, lines: bool = False) -> str:
    """Return the text with `\\u202e`-like escapes in place of what isn't printable, for texts of unknown origin."""
    return "".join(
        character if character.isprintable() or (lines and character in "\n\t") or _joins(text, index)
        else f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"
        for index, character in enumerate(text)
    )  # fmt: skip


def email(value: str) -> str:
    """Return the normal form of an e-mail address: lower case, a domain in Unicode. Raises InvalidText.

    An address has an ASCII local part, which every mail server accepts, and a domain of two or more labels. The normal
    form of a normal form is itself.
    """
    if not is_printable(value):
        raise InvalidText("An e-mail address has printable characters only.")
    try:
        # Lower case before the check, so that the check applies to what is stored; then NFC and IDNA 2008.
        parts = validate_email(
            unicodedata.normalize("NFC", value).lower(), check_deliverability=False, allow_smtputf8=False
        )
    except EmailNotValidError:
        raise InvalidText("Enter a valid email address.") from None
    if len(parts.normalized) > MAX_EMAIL_LENGTH or parts.normalized != parts.normalized.lower():
        raise InvalidText("Enter a valid email address.")
    return parts.normalized


def name(value: str) -> str:
    """Return the normal form of a name: NFC, every blank an ASCII one. Raises InvalidText.

    A name is printable, has no blanks around it, and one or more letters, digits, punctuation marks or symbols.
    """
    normal = "".join(
        " " if unicodedata.category(character) == "Zs" else character
        for character in unicodedata.normalize("NFC", value)
    )
    if normal != normal.strip() or not is_printable(normal):
        raise InvalidText("A name has no control characters and no blanks around it.")
    if not any(unicodedata.category(character)[0] in "LNPS" for character in normal):
        raise InvalidText("A name has one or more visible characters.")
    return normal


def _joins(text: str, index: int) -> bool:
    """Whether the character is a joiner between two letters or marks."""
    return (
        text[index] in _JOINERS
        and 0 < index < len(text) - 1
        and all(unicodedata.category(text[beside])[0] in "LM" for beside in (index - 1, index + 1))
    )
