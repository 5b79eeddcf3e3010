"""Every address that users accepts (contracts.text) gets its mail."""

from __future__ import annotations

import pytest
from contracts.testing.texts import customers
from hypothesis import given, settings
from mailing import mails
from mailing.models import Kind

from tests.conftest import TRACE_ID, customer, order_event


@settings(max_examples=500, deadline=None)
@given(customers())
def test_every_address_and_name_that_users_accepts_gets_its_mail(accepted: dict[str, str]) -> None:
    mail = mails.compose(
        order_event(customer=customer() | {**accepted, "name": accepted["name"][:150]}), Kind.ORDER_CONFIRMED, TRACE_ID
    )
    assert mail.to == [accepted["email"]]
    # As it goes to the mail server: headers are complete, and encodable.
    assert mail.message().as_bytes()


@pytest.mark.parametrize("address", ["i\u0307x@example.com", "x@example.com\u2028", "a@localhost"], ids=ascii)
def test_an_address_that_users_refuses_gets_none(address: str) -> None:
    event = order_event()
    event["data"]["customer"]["email"] = address
    with pytest.raises(mails.MailRefused, match="invalid_recipient"):
        mails.compose(event, Kind.ORDER_CONFIRMED, TRACE_ID)
