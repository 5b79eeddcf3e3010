"""The API: one's own records, with a token of users."""

from __future__ import annotations

import uuid

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.tokens import bad_tokens
from django.test import Client
from newapp import domain

from tests.conftest import order_event, person

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/records"


def test_ones_own_records_are_listed_newest_first() -> None:
    me = str(uuid.uuid4())
    events = [order_event() for _ in range(2)]
    for event in events:
        event["data"]["customer"]["id"] = me
        domain.record(event)
    results = person(me).get(ADDRESS).json()["results"]
    assert [entry["order_id"] for entry in results] == [event["subject"] for event in reversed(events)]
    assert set(results[0]) == {"id", "order_id", "created_at"}


def test_records_of_other_people_are_not_listed() -> None:
    domain.record(order_event())
    assert person(uuid.uuid4()).get(ADDRESS).json()["results"] == []


@pytest.mark.parametrize("token", bad_tokens().items(), ids=lambda item: item[0])
def test_a_bad_token_is_refused(token: tuple[str, str]) -> None:
    wrong, value = token
    response = Client(headers={"Authorization": f"Bearer {value}"}).get(ADDRESS)
    assert_problem(response, 401, "token_expired" if wrong == "expired" else "token_invalid")


def test_no_token_is_refused() -> None:
    assert_problem(Client().get(ADDRESS), 401, "not_authenticated")
