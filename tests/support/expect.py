"""One format for every failure: what was expected, the actual result, where to look."""

from __future__ import annotations

from typing import NoReturn

import pytest


def fail(expected: str, got: object, look_at: str) -> NoReturn:
    """Fail the test with the standard message."""
    pytest.fail(f"expected  {expected}\ngot       {got}\nlook at   {look_at}", pytrace=False)


def expect(true: bool, expected: str, got: object, look_at: str) -> None:
    """Fail with the standard message unless `true`."""
    if not true:
        fail(expected, got, look_at)
