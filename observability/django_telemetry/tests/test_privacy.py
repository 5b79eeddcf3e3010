"""Secrets are planted in every client-supplied value, and must appear in none of the four signals."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
import sentry_sdk
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django_telemetry import errors
from django_telemetry.context import unit_of_work
from django_telemetry.redaction import REDACTED, is_denied, redact_exception, redact_text, redact_value

from .harness import Everything

# A secret that no pattern can recognise: it looks like a word.
PLAIN = "hunter2planted"
KNOWN = [
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlcGxhbnRlZA",
    "planted.person@example.com",
    "4111 1111 1111 1111",
    "4111111111111111",
    "Bearer planted0123456789abcdef",
    "sk_live_planted0123456789",
    "postgres://user:plantedpassword@db/x",
    "password=planted-value",
    '{"api_key": "planted-value"}',
    "-----BEGIN PRIVATE KEY-----\nplantedplantedplanted\n-----END PRIVATE KEY-----",
]


# Parts of the secrets above that must not remain either.
PARTS = ["planted0123456789abcdef", "plantedpassword", "planted-value", "plantedplanted", "planted.person"]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/boom", "/ok", "/nowhere", "/echo", "/status/503"])
def test_no_client_supplied_value_appears_in_any_signal(client: Client, everything: Everything, path: str) -> None:
    client.post(
        f"{path}?who={PLAIN}&token={PLAIN}1&{PLAIN}2=x",
        data=json.dumps({"password": f"{PLAIN}3", "deep": [{"note": f"{PLAIN}4"}], f"{PLAIN}5": 1}),
        content_type="application/json",
        headers={
            "Authorization": f"Bearer {PLAIN}6",
            "Cookie": f"sessionid={PLAIN}7; other={PLAIN}8",
            "X-Api-Key": f"{PLAIN}9",
            "User-Agent": f"{PLAIN}10",
            "Referer": f"https://x/{PLAIN}11",
            "X-Custom": f"{PLAIN}12",
            "Tracestate": f"vendor={PLAIN}13",
            "X-Forwarded-For": f"{PLAIN}14",
            "Host": f"{PLAIN}15.example",
        },
    )
    everything.check(PLAIN)


@pytest.mark.parametrize("path", [f"/reset/{PLAIN}", f"/nowhere/{PLAIN}", f"/status/{PLAIN}", f"/boom/{PLAIN}?x=1"])
def test_client_supplied_path_segments_are_not_shown(client: Client, everything: Everything, path: str) -> None:
    client.get(path)
    everything.check(PLAIN)


def _json(**body: Any) -> dict[str, Any]:
    return {"data": json.dumps(body), "content_type": "application/json"}


def _upload(name: str) -> dict[str, Any]:
    file = SimpleUploadedFile(name, b"content")
    return {"data": encode_multipart(BOUNDARY, {"file": file}), "content_type": MULTIPART_CONTENT}


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FORM = "application/x-www-form-urlencoded"
# Every part of a request that a client can set: (path, method, keyword arguments of the test client).
PLACES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "query value": (f"?who={PLAIN}", "GET", {}),
    "query key": (f"?{PLAIN}=1", "GET", {}),
    "encoded query": (f"?who=%20{PLAIN}%2Fx", "GET", {}),
    "path": (f"/{PLAIN}", "GET", {}),
    "method": ("", PLAIN.upper(), {}),
    "JSON value": ("", "POST", _json(note=f"{PLAIN}", deep=[{"password": f"{PLAIN} and more"}])),
    "JSON key": ("", "POST", _json(**{PLAIN: 1})),
    "JSON read from the stream": ("?read=stream", "POST", _json(note=PLAIN, number=f"9{PLAIN}")),
    "form body": ("", "POST", {"data": f"who={PLAIN}&{PLAIN}x=1", "content_type": FORM}),
    "file name": ("", "POST", _upload(f"{PLAIN}.txt")),
    "content type": ("", "POST", {"data": "x", "content_type": f"text/{PLAIN}"}),
    "cookie": ("", "GET", {"headers": {"Cookie": f"sessionid={PLAIN}; {PLAIN}name=1"}}),
    "bearer token": ("", "GET", {"headers": {"Authorization": f"Bearer {PLAIN}"}}),
    "basic password": ("", "GET", {"headers": {"Authorization": "Basic dXNlcjpodW50ZXIycGxhbnRlZA=="}}),
    "User-Agent": ("", "GET", {"headers": {"User-Agent": f"{PLAIN}/1.0"}}),
    "Referer": ("", "GET", {"headers": {"Referer": f"https://shop.example/?{PLAIN}"}}),
    "own header": ("", "GET", {"headers": {"X-Own": PLAIN}}),
    "forwarded address": ("", "GET", {"headers": {"X-Forwarded-For": f"{PLAIN}, 10.0.0.1"}}),
    "Host": ("", "GET", {"headers": {"Host": f"{PLAIN}.example"}}),
    "invalid X-Request-ID": ("", "GET", {"headers": {"X-Request-ID": f"{PLAIN} {PLAIN}"}}),
    "invalid traceparent": ("", "GET", {"headers": {"Traceparent": f"00-{PLAIN}"}}),
    "tracestate": ("", "GET", {"headers": {"Traceparent": TRACE, "Tracestate": f"vendor={PLAIN}"}}),
    "baggage": ("", "GET", {"headers": {"Traceparent": TRACE, "Baggage": f"user={PLAIN},b={PLAIN}"}}),
    "deadline": ("", "GET", {"headers": {"X-Request-Deadline-Ms": PLAIN}}),
}


@pytest.mark.parametrize("place", PLACES)
def test_client_supplied_values_that_code_quotes_are_removed(
    client: Client, everything: Everything, place: str
) -> None:
    path, method, sent = PLACES[place]
    response = client.generic(method, f"/quoting{path}", **sent)
    assert response.status_code == (400 if place == "Host" else 500)
    everything.check(PLAIN, PLAIN.upper(), said=("traces", "logs", "metrics", *(["errors"] if place != "Host" else [])))


@pytest.mark.parametrize("place", ["query value", "JSON value", "JSON read from the stream", "form body", "cookie"])
def test_client_supplied_values_that_code_quotes_are_removed_under_asgi(
    ahttp: AsyncClient, everything: Everything, place: str
) -> None:
    path, method, sent = PLACES[place]
    answer: Any = ahttp.generic(method, f"/async-quoting{path}", **sent)
    assert asyncio.run(answer).status_code == 500
    everything.check(PLAIN, said=("traces", "logs", "metrics", "errors"))


def test_the_beginning_of_a_body_above_the_recorded_size_is_not_shown(client: Client, everything: Everything) -> None:
    client.generic("POST", "/quoting?read=stream", **_json(note=PLAIN, rest="x" * 100_000))
    everything.check(PLAIN, said=("traces", "logs", "metrics", "errors"))


def test_direct_calls_of_sentry_are_redacted(client: Client, everything: Everything) -> None:
    with errors.isolated_scope():
        sentry_sdk.set_context("order", {"token": PLAIN, "note": KNOWN[1]})
        sentry_sdk.set_user({"email": KNOWN[1]})
        sentry_sdk.add_breadcrumb(message=f"saw {KNOWN[1]}", data={"password": PLAIN})
        sentry_sdk.capture_message(f"about {KNOWN[1]}")
    everything.check(PLAIN, KNOWN[1], said=("errors",))


def test_an_input_that_an_exception_quotes_is_not_shown(client: Client, everything: Everything) -> None:
    client.get(f"/boom?who={PLAIN}")
    texts = everything.text()
    assert "boom for [redacted]" in texts["traces"]
    assert "boom for [redacted]" in texts["logs"]
    assert "boom for [redacted]" in texts["errors"]
    everything.check(PLAIN)


@pytest.mark.parametrize("secret", KNOWN)
def test_known_kinds_of_secrets_are_removed_from_messages_and_exceptions(everything: Everything, secret: str) -> None:
    logger = logging.getLogger("tests.privacy")

    def fail() -> None:
        with unit_of_work("job"):
            logger.info("seen %s here", secret, extra={"note": secret, "nested": {"a": [secret]}})
            try:
                raise LookupError(f"about {secret}")
            except LookupError as exc:
                raise ValueError(f"because of {secret}") from exc

    with pytest.raises(ValueError):
        fail()
    logger.error("failed with %s", secret)
    everything.check(secret, *PARTS)


def test_values_under_denied_names_are_removed_from_extras(everything: Everything) -> None:
    logging.getLogger("tests.privacy").error(
        "x", extra={"password": PLAIN, "order.card_number": PLAIN, "context": {"Authorization": PLAIN, "ok": 1}}
    )
    everything.check(PLAIN, said=("logs", "errors"))


def test_error_reports_have_no_local_variables(client: Client, everything: Everything) -> None:
    local_secret = PLAIN + "local"
    try:
        raise RuntimeError("short" + local_secret[:0])
    except RuntimeError as exc:
        errors.capture_exception(exc)
    assert '"vars"' not in everything.text()["errors"]
    assert "local_secret" in everything.text()["errors"], "the source line itself should be there"
    assert f"'{local_secret}'" not in everything.text()["errors"]


def test_error_reports_have_the_ids_of_trace_and_request(client: Client, everything: Everything) -> None:
    response = client.get("/boom")
    text = everything.text()["errors"]
    payload = next(json.loads(line) for line in text.splitlines() if line.startswith("{") and '"exception"' in line)
    _, trace_id, span_id, _ = response.headers["traceresponse"].split("-")
    assert payload["contexts"]["trace"]["trace_id"] == trace_id
    assert payload["contexts"]["trace"]["span_id"] == span_id
    assert payload["tags"]["request_id"] == response.headers["X-Request-ID"]
    assert payload["transaction"] == "GET boom"
    assert payload["contexts"]["runtime"]["name"] == "CPython"
    assert len([line for line in text.splitlines() if '"exception"' in line]) == 1, "reported more than once"


def test_a_tag_set_in_one_request_does_not_appear_in_the_next(client: Client, everything: Everything) -> None:
    with errors.isolated_scope():
        sentry_sdk.set_tag("mine", "tag-of-the-first")
        errors.capture_exception(RuntimeError("one"))
    with errors.isolated_scope():
        errors.capture_exception(RuntimeError("two"))
    assert everything.text()["errors"].count("tag-of-the-first") == 1


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-API-Key",
        "Set-Cookie",
        "password",
        "new_password",
        "accessToken",
        "card-number",
        "PAN",
        "email",
    ],
)
def test_sensitive_names_are_denied(name: str) -> None:
    assert is_denied(name)


@pytest.mark.parametrize("name", ["company", "order_id", "http.route", "quantity", "japan"])
def test_harmless_names_are_not_denied(name: str) -> None:
    assert not is_denied(name)


@pytest.mark.parametrize(
    "text",
    [
        "GET api/v1/orders 200",
        "order 11111111-2222-4333-8444-555555555555 confirmed",
        "took 1234567890123 ns",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "version 1.2.3, 12:30:59",
    ],
)
def test_harmless_texts_are_not_changed(text: str) -> None:
    assert redact_text(text) == text


def test_texts_are_cut_to_their_limit() -> None:
    assert len(redact_text("x" * 10_000)) <= 2049
    message, stack = redact_exception(ValueError("y" * 100_000))
    assert len(message) <= 2049
    assert len(stack) <= 16_384


def test_values_of_unexpected_types_become_harmless() -> None:
    class Odd:
        def __str__(self) -> str:
            return "password=planted-value"

    circle: dict[str, Any] = {}
    circle["self"] = circle
    assert "planted" not in json.dumps(redact_value({"a": Odd(), "circle": circle, "set": {1}}))


def test_redaction_is_fast_on_hostile_texts() -> None:
    import time

    for piece in ("a", "@", "1 ", "token", '"', "eyJ.", "=:", "a.b@", "password=", "-----BEGIN A-----", "://:"):
        text = piece * (100_000 // len(piece))
        start = time.process_time()
        redact_text(text, 16_384)
        assert time.process_time() - start < 0.5, f"{text[:10]!r} took too long"


def test_more_names_can_be_denied() -> None:
    from django_telemetry import redaction

    redaction.configure(("tax-id",))
    try:
        assert redact_value({"tax_id": "planted"}) == {"tax_id": REDACTED}
    finally:
        redaction.configure(())
