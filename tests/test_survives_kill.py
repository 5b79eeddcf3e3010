"""kill -9 of any service process: it is restarted, and no acknowledged order is lost."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

import catalogue
import pytest
import requests
from platform_testing.polling import eventually
from platformctl.app import Platform
from platformctl.run.runner import Runner

from tests.support.expect import expect
from tests.support.mail import Mailbox
from tests.support.orders_under_load import OrdersUnderLoad
from tests.support.shop import Customer, Shop

PROCESSES = sorted(process.name for process in catalogue.load().processes())
# Starting Django takes 3 s on an idle machine, and many times that on a busy one.
BACK_WITHIN_SECONDS = 60.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def load(shop: Shop) -> Iterator[OrdersUnderLoad]:
    """Places orders while this module's processes are killed."""
    with OrdersUnderLoad(shop) as orders:
        eventually(
            orders.count, "the first orders", accept=lambda count: count >= 2, look_at=f"{shop.urls.orders}/api/docs/"
        )
        yield orders


@pytest.mark.parametrize("process", PROCESSES)
def test_a_killed_process_is_restarted_and_orders_continue(
    runner: Runner, shop: Shop, load: OrdersUnderLoad, process: str
) -> None:
    before = runner.status(process)
    reached = runner.signal(process, signal.SIGKILL)
    expect(before.pid in reached, f"pid {before.pid} of {process} killed", reached, "make status")
    actual = eventually(
        lambda: runner.status(process),
        f"{process} back with another pid",
        accept=lambda status: status.pid not in (0, before.pid) and status.health in ("ready", "running"),
        look_at=f"make logs s={process}",
        timeout=BACK_WITHIN_SECONDS,
    )
    expect(actual.restarts > before.restarts, f"more than {before.restarts} restarts", actual.restarts, "make status")
    count = load.count()
    eventually(
        load.count,
        "orders acknowledged after the kill",
        accept=lambda now: now >= count + 2,
        look_at=f"make logs s={process}",
        timeout=BACK_WITHIN_SECONDS,
    )


def test_every_acknowledged_order_exists_is_charged_and_notified_once(
    platform: Platform, shop: Shop, load: OrdersUnderLoad, mailbox: Mailbox
) -> None:
    """After all kills, and after the last order."""
    load.end()
    where = f"{shop.urls.orders}/api/docs/"
    expect(load.count() >= 2 * len(PROCESSES), "orders during all kills", load.count(), where)
    expect(load.repeated > 0, "requests that the kills broke (or they proved nothing)", load.repeated, where)
    expect(not load.refused, "no order refused", load.refused[:5], where)
    expect(not load.unanswered, "an answer to every order in the end", load.unanswered[:5], where)
    for customer in load.customers:
        assert_all_kept_and_notified(shop, customer, load.of(customer))
    uncharged = {order_id: charge for order_id in load.acknowledged if (charge := charge_of(platform, shop, order_id))}
    expect(not uncharged, "each acknowledged order charged", uncharged, "make logs s=payments")
    unmailed = [order_id for order_id in load.acknowledged if not mailbox.about(order_id)]
    expect(not unmailed, "a mail about each acknowledged order", unmailed, str(mailbox.folder))


def assert_all_kept_and_notified(shop: Shop, customer: Customer, acknowledged: set[str]) -> None:
    """Assert that a customer's acknowledged orders are confirmed, with one notification each."""
    statuses = {order["id"]: order["status"] for order in customer.orders()}
    lost = {order_id: statuses.get(order_id) for order_id in acknowledged if statuses.get(order_id) != "confirmed"}
    expect(not lost, "every acknowledged order confirmed", lost, f"{shop.urls.orders}/api/docs/")

    def notified() -> Counter[str]:
        return Counter(entry["order_id"] for entry in customer.notifications() if entry["kind"] == "order_confirmed")

    where = f"{shop.urls.notifications}/api/v1/notifications"
    wanted = f"a notification of each of {len(acknowledged)} orders, and none missing"
    # A late notification is not a lost one: the consumer may have to catch up first.
    eventually(
        lambda: acknowledged - set(notified()),
        wanted,
        accept=lambda missing: not missing,
        look_at=where,
        timeout=120,
        longest_pause=1,
    )
    twice = {order_id: times for order_id, times in notified().items() if times > 1}
    expect(not twice, "one notification of each order", twice, where)


def test_no_order_of_the_customers_stays_pending(shop: Shop, load: OrdersUnderLoad) -> None:
    """An interrupted order is eventually cancelled or confirmed."""

    def pending() -> list[str]:
        return [
            order["id"] for customer in load.customers for order in customer.orders() if order["status"] == "pending"
        ]

    # The reconciler cancels orders that have been pending for 60 s.
    eventually(
        pending,
        "no pending order",
        accept=lambda left: not left,
        look_at=f"{shop.urls.orders}/api/docs/",
        timeout=90,
        longest_pause=2,
    )


def charge_of(platform: Platform, shop: Shop, order_id: str) -> str | None:
    """What is wrong with an order's charge; None if it is captured."""
    caller = platform.catalogue.internal_callers("payments")[0]
    response = requests.get(
        f"{shop.urls.payments}/internal/v1/charges/{order_id}",
        headers={"Authorization": f"Bearer {platform.environment.service_token(caller)}"},
        timeout=10,
    )
    if response.status_code != 200:
        return f"{response.status_code} {response.text[:100]}"
    status = response.json()["status"]
    return None if status == "captured" else str(status)
