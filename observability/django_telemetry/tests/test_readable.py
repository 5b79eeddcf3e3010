"""What must stay readable: names and texts that only look like secrets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django_telemetry.redaction import REDACTED, redact_text, redact_value
from hypothesis import given
from hypothesis import strategies as st

from .statements import GENERATED, SECRET

HARMLESS: dict[str, Any] = {
    "gen_ai.usage.input_tokens": 12,
    "max_tokens": 4096,
    "maxTokens": 4096,
    "session_duration": 12.5,
    "email_sent": True,
    "password_changed": False,
    "token": None,
    "iphone_model": "15 Pro",
    "microphone": "built-in",
    "secretary": "the office",
    "tokenizer": "cl100k",
    "obsession": "order",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_counts_times_truth_values_and_other_words_stay(name: str) -> None:
    assert redact_value({name: HARMLESS[name]}) == {name: HARMLESS[name]}


@pytest.mark.parametrize(
    "text",
    [
        "Forbidden (CSRF token missing.): /orders",
        "prompt_tokens=12, completion_tokens: 7",
        "basic authentication is off",
        "email_sent=True",
        "iphone_model=15",
        "session_duration: 12.5",
        "order 1734567890123456789 of shard 6011000990139424123",
    ],
)
def test_texts_without_secrets_stay(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *("token", "access_tokens", "session", "sessionid", "phone", "mobile_phone", "telephone", "client_secret"),
        *("secrets", "userEmail", "dbpassword", "api-key", "card_number", "cvc", "pin_token"),
    ],
)
def test_secrets_under_these_names_are_still_hidden(name: str) -> None:
    assert redact_value({name: SECRET}) == {name: REDACTED}
    assert SECRET not in redact_text(f"{name}={SECRET}")


@pytest.mark.parametrize("name", ["token", "card_number", "cvc", "password", "phone", "ssn"])
def test_numbers_under_denied_names_are_hidden_unless_they_measure(name: str) -> None:
    assert redact_value({name: 123456}) == {name: REDACTED}
    assert redact_text(f"{name}=123456") == f"{name}={REDACTED}"


def test_hardly_any_id_of_18_or_19_digits_is_taken_for_a_card() -> None:
    drawn = random.Random(7)
    ids = [str(drawn.randrange(10**17, 10**19)) for _ in range(2000)]
    assert sum(redact_text(f"id {number} x") != f"id {number} x" for number in ids) <= 10


@GENERATED
@given(
    st.sampled_from(["4", "51", "2221", "34", "6011", "3528", "62"]), st.randoms(use_true_random=False), st.booleans()
)
def test_numbers_of_cards_are_hidden(issuer: str, drawn: random.Random, grouped: bool) -> None:
    length = 15 if issuer == "34" else 16
    body = issuer + "".join(str(drawn.randrange(10)) for _ in range(length - len(issuer) - 1))
    number = next(f"{body}{last}" for last in range(10) if _luhn(f"{body}{last}"))
    shown = " ".join(number[at : at + 4] for at in range(0, length, 4)) if grouped else number
    assert redact_text(f"card {shown} x") == f"card {REDACTED} x"


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return sum(digit if at % 2 == 0 else sum(divmod(2 * digit, 10)) for at, digit in enumerate(digits)) % 10 == 0
