"""Silences for maintenance: listed, added and ended without an incident."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from backends.alertmanager import Matcher
from django import forms
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from incidents.silences import parse

from tests.incidents.conftest import AlertmanagerStub


def data(**changes: str) -> dict[str, str]:
    return {"matchers": 'service="orders"', "starts": "", "minutes": "60", "until": "", "reason": "new disk", **changes}


def listed(client: Client) -> str:
    response = client.get("/silences/list")
    assert response.status_code == 200
    return response.content.decode()


def test_a_silence_is_added_listed_and_ended(responder_client: Client, alertmanager: AlertmanagerStub) -> None:
    assert "Nothing is silenced." in listed(responder_client)
    assert responder_client.post("/silences/new", data()).status_code == 302
    (made,) = alertmanager.silences.values()
    assert made["matchers"] == [{"name": "service", "value": "orders", "isRegex": False, "isEqual": True}]
    assert (made["comment"], made["createdBy"]) == ("new disk", "responder-of-tests")
    took = datetime.fromisoformat(made["endsAt"]) - datetime.fromisoformat(made["startsAt"])
    assert took == timedelta(hours=1)
    assert "new disk" in listed(responder_client)
    assert responder_client.post("/silences/silence-1/end").status_code == 302
    assert alertmanager.silences == {}


def test_a_silence_can_be_planned(responder_client: Client, alertmanager: AlertmanagerStub) -> None:
    starts = datetime.now(UTC) + timedelta(days=1)
    assert responder_client.post("/silences/new", data(starts=f"{starts:%Y-%m-%dT%H:%M}")).status_code == 302
    (made,) = alertmanager.silences.values()
    assert made["startsAt"][:16] == f"{starts:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matchers": "orders"}, "is no matcher"),
        ({"matchers": 'service=~".*"'}, "has to name what is silenced"),
        ({"matchers": 'service!="orders"'}, "has to name what is silenced"),
        ({"reason": ""}, "This field is required"),
        ({"minutes": "until"}, "Say until when."),
        ({"minutes": "until", "until": "2020-01-01T00:00"}, "in the past"),
        ({"minutes": "until", "until": "2099-01-01T00:00"}, "At most 14 days"),
    ],
)
def test_a_wrong_silence_is_refused(
    responder_client: Client, alertmanager: AlertmanagerStub, changes: dict[str, str], message: str
) -> None:
    response = responder_client.post("/silences/new", data(**changes))
    assert response.status_code == 422
    assert message in response.content.decode()
    assert alertmanager.silences == {}


def test_a_viewer_sees_silences_and_changes_none(viewer_client: Client, alertmanager: AlertmanagerStub) -> None:
    assert "needs the role responder" in viewer_client.get("/silences").content.decode()
    assert viewer_client.post("/silences/new", data()).status_code == 403
    assert viewer_client.post("/silences/silence-1/end").status_code == 403
    assert alertmanager.requests == []


def test_an_unavailable_alertmanager_is_reported(responder_client: Client, alertmanager: AlertmanagerStub) -> None:
    alertmanager.status = 503
    response: Any = responder_client.post("/silences/new", data(), follow=True)
    assert "Nothing was changed." in response.content.decode()
    assert 'data-backend-down="alertmanager"' in listed(responder_client)


_NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True)
_VALUES = st.text("abc é=~!.*{}", min_size=3, max_size=30).map(str.strip).filter(lambda value: len(value) > 2)
_MATCHERS = st.lists(st.builds(Matcher, _NAMES, _VALUES), min_size=1, max_size=5)
_relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_relaxed
@given(_MATCHERS)
def test_a_matcher_is_read_as_it_is_written(matchers: list[Matcher]) -> None:
    assert parse("\n".join(str(matcher) for matcher in matchers)) == tuple(matchers)


@_relaxed
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(forms.ValidationError):
        assert parse(text)
