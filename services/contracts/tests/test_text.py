"""Text that people write: normalised first, then validated, so that all services accept the same values."""

from __future__ import annotations

import copy
import unicodedata

import pytest
from contracts import events, text
from contracts.testing.texts import customers, names
from hypothesis import given, settings

from tests.examples import CONFIRMED

UNPRINTABLE = ["\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ufeff", "\x00", "\x1b", "\x85", "\n", "\r", "\t"]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("x@M\u00dcNCHEN.example", "x@m\u00fcnchen.example"),
        ("x@mu\u0308nchen.example", "x@m\u00fcnchen.example"),
        ("x@xn--mnchen-3ya.example", "x@m\u00fcnchen.example"),
        ("o'b+shop@example.com", "o'b+shop@example.com"),
    ],
)
def test_an_address_has_one_normal_form(written: str, normal: str) -> None:
    assert text.email(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "", "no address", "a@b@example.com", "a@localhost", "a@[127.0.0.1]", "\u0130x@example.com", '"a b"@example.com',
        "a@" + "x" * 250 + ".com", "a@exa mple.com", "a@\u00a0example.com", "a@example.com ",
    ],
)  # fmt: skip
def test_an_address_that_a_mail_server_may_refuse_is_invalid(written: str) -> None:
    with pytest.raises(text.InvalidText) as caught:
        text.email(written)
    assert not written or written not in str(caught.value)


@pytest.mark.parametrize("character", UNPRINTABLE, ids=ascii)
@pytest.mark.parametrize("rule", [text.email, text.name])
def test_no_control_separator_or_bidirectional_character_is_accepted(rule: object, character: str) -> None:
    assert callable(rule)
    for written in (f"x@example.com{character}", f"{character}x@example.com", f"x@exa{character}mple.com"):
        with pytest.raises(text.InvalidText):
            rule(written)


@pytest.mark.parametrize(
    ("written", "normal"),
    [("Zoe\u0308", "Zo\u00eb"), ("\u6797\u3000\u592a\u90ce", "\u6797 \u592a\u90ce"), ("\u0645\u06cc\u200c\u062e",) * 2],
)
def test_a_name_has_one_normal_form(written: str, normal: str) -> None:
    assert text.name(written) == normal


@pytest.mark.parametrize("written", ["", " ", " Ada", "Ada\u3000", "\u200b", "\u200cAda", "Ada\u200d", "\u0301"])
def test_a_name_is_visible(written: str) -> None:
    with pytest.raises(text.InvalidText):
        text.name(written)


@settings(max_examples=1000, deadline=None)
@given(customers())
def test_what_is_accepted_once_is_accepted_by_every_service_unchanged(customer: dict[str, str]) -> None:
    assert text.email(customer["email"]) == customer["email"]
    assert text.name(customer["name"]) == customer["name"]
    assert len(customer["email"]) <= text.MAX_EMAIL_LENGTH
    data = copy.deepcopy(CONFIRMED["data"])
    data["customer"] |= {"email": customer["email"], "name": customer["name"][:150]}
    event = events.new_event(events.ORDER_CONFIRMED, service="orders", subject=CONFIRMED["subject"], data=data)
    assert events.decode(events.encode(event)) == event


@given(names())
def test_escaped_text_is_printable_and_keeps_what_was(written: str) -> None:
    shown = text.printable(written)
    assert text.is_printable(shown)
    assert (shown == written) == text.is_printable(written)
    assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in shown)
