"""The reconciler changes incidents; reading them changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from incidents import ingest, urls
from incidents.models import Alert
from incidents.reconciler import Reconciler
from platform_testing.polling import eventually

from tests.incidents.conftest import AlertmanagerStub, Deliverer, alert, the_incident

pytestmark = pytest.mark.django_db

ACTIONS = ("acknowledge", "note", "resolve", "reopen", "silence-add", "silence-end", "silence", "end-silence")


def run_once() -> None:
    Reconciler(threading.Event()).round()


def test_a_round_adds_muted_alerts(deliverer: Deliverer, alertmanager: AlertmanagerStub) -> None:
    cause, echo = alert("ServiceDown", service="payments", dependency=None), alert("EdgeRefused")
    deliverer.send(cause)
    alertmanager.has(cause)
    alertmanager.has(echo, by=cause)
    run_once()
    assert {row.name: row.is_muted for row in the_incident().alerts.all()} == {
        "ServiceDown": False,
        "EdgeRefused": True,
    }


def test_a_round_without_alertmanager_changes_nothing(deliverer: Deliverer, alertmanager: AlertmanagerStub) -> None:
    deliverer.send(alert())
    Alert.objects.update(missing_since=timezone.now() - 2 * ingest.MISSING_FOR)
    alertmanager.status = 503
    run_once()
    assert the_incident().status == "open"
    alertmanager.status = 200
    run_once()
    assert the_incident().status == "resolved"


def test_a_notification_does_not_query_alertmanager(deliverer: Deliverer, alertmanager: AlertmanagerStub) -> None:
    deliverer.send(alert())
    assert alertmanager.requests == []


@pytest.mark.django_db(transaction=True)
def test_the_command_reconciles_until_it_is_stopped(
    deliverer: Deliverer, alertmanager: AlertmanagerStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    monkeypatch.setattr("incidents.management.commands.reconcile.stop_event", lambda: stop)
    cause, echo = alert("ServiceDown", service="payments", dependency=None), alert("EdgeRefused")
    deliverer.send(cause)
    alertmanager.has(cause)
    alertmanager.has(echo, by=cause)
    running = threading.Thread(target=call_command, args=("reconcile",))
    running.start()
    try:
        eventually(lambda: Alert.objects.filter(name="EdgeRefused").exists(), "the muted alert")
    finally:
        stop.set()
        running.join(timeout=10)
    assert not running.is_alive()


@pytest.fixture
def written() -> Any:
    """The statements that changed tables of the incidents."""
    found: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")) and "incidents_" in sql:
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield found


def _reading() -> list[str]:
    patterns = [pattern for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)]
    names = [pattern.name for pattern in patterns if pattern.name and pattern.name != "alertmanager-hook"]
    return [name for name in names if name.removeprefix("incident-") not in ACTIONS]


@pytest.mark.parametrize("name", _reading())
def test_reading_writes_nothing(
    name: str, viewer_client: Client, deliverer: Deliverer, alertmanager: AlertmanagerStub, written: list[str]
) -> None:
    cause, echo = alert("ServiceDown", service="payments", dependency=None), alert("EdgeRefused")
    deliverer.send(cause)
    # Alertmanager has a muted alert, and no longer has another one: there is something to reconcile.
    alertmanager.has(cause)
    alertmanager.has(echo, by=cause)
    deliverer.send(alert("EdgeSlow", starts_at=timezone.now() - timedelta(minutes=9)))
    Alert.objects.filter(name="EdgeSlow").update(missing_since=timezone.now() - 2 * ingest.MISSING_FOR)
    written.clear()
    uid = the_incident().uid
    (pattern,) = get_resolver().reverse_dict.getlist(name)[:1]
    arguments = {"uid": uid} if "uid" in pattern[0][0][1] else {}
    assert viewer_client.get(reverse(name, kwargs=arguments)).status_code == 200
    assert written == []
