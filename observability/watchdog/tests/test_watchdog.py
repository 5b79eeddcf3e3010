"""The switch, the alarm and the HTTP server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_settings.testing import GENERATED, check_wrong_value, urls
from platform_testing.http import StubServer
from platform_testing.polling import eventually
from platform_watchdog.alarm import ALERT, Alarm
from platform_watchdog.record import Record
from platform_watchdog.settings import Settings, SettingsError, load
from platform_watchdog.switch import Switch
from prometheus_client.parser import text_string_to_metric_families
from werkzeug import Response

from .conftest import Running

JSON = {"Content-Type": "application/json"}
WRONG_HOSTS = st.sampled_from(["a b", "-x", "a.example,,b", "http://x", "*"])
FIRING = {"status": "firing", "alerts": [{"labels": {"alertname": "Watchdog"}}]}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_heartbeat_in_time_raises_no_alarm() -> None:
    clock = Clock()
    switch = Switch(45, clock)
    clock.now += 44
    switch.heartbeat()
    clock.now += 44
    assert switch.check() is None
    assert not switch.is_silent


def test_silence_and_its_end_are_notified_once_each() -> None:
    clock = Clock()
    switch = Switch(45, clock)
    clock.now += 45
    assert [switch.check(), switch.check()] == ["silent", None]
    assert [switch.heartbeat(), switch.heartbeat()] == ["recovered", None]


def test_a_resolved_heartbeat_counts_as_silence_at_once() -> None:
    switch = Switch(45, Clock())
    assert switch.stopped() == "silent"
    assert switch.stopped() is None


def test_a_start_counts_as_a_heartbeat() -> None:
    assert Switch(45, Clock()).check() is None


def test_silence_raises_a_notification_and_a_heartbeat_resolves_it(running: Running) -> None:
    time.sleep(0.31)  # the silence itself is under test
    running.watchdog.announce(running.watchdog.switch.check())
    running.post("/heartbeat", FIRING)
    found = [(entry["source"], entry["notification"]["status"]) for entry in running.notifications()]
    assert found == [("watchdog", "firing"), ("watchdog", "resolved")]
    alert = running.notifications()[0]["notification"]["alerts"][0]
    assert alert["labels"]["alertname"] == ALERT
    assert alert["labels"]["severity"] == "page"


def test_a_resolved_heartbeat_notifies_that_prometheus_is_down(running: Running) -> None:
    running.post("/heartbeat", {**FIRING, "status": "resolved"})
    assert [entry["notification"]["status"] for entry in running.notifications()] == ["firing"]


def test_notifications_are_stored_in_order_and_on_disk(running: Running) -> None:
    for status in ("firing", "resolved"):
        assert running.post("/notifications", {"status": status}).status_code == 204
    assert [entry["number"] for entry in running.notifications()] == [1, 2]
    assert [entry["number"] for entry in running.get("/notifications?after=1").json()["notifications"]] == [2]
    lines = running.watchdog.settings.record.read_text().splitlines()
    assert [json.loads(line)["notification"]["status"] for line in lines] == ["firing", "resolved"]


@pytest.mark.parametrize("body", ["", "no json", "[1]", '"text"'])
def test_a_body_that_is_not_a_json_object_is_refused_and_not_recorded(running: Running, body: str) -> None:
    answer = requests.post(f"{running.url}/notifications", data=body, headers=JSON, timeout=5)
    assert answer.status_code == 400
    assert running.notifications() == []


@pytest.mark.parametrize("length", ["-1", "x", "99999999999", "²"])
def test_an_invalid_length_is_refused(running: Running, length: str) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST /heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_unknown_pages_are_404(running: Running) -> None:
    assert running.get("/").status_code == 404
    assert running.post("/other", {}).status_code == 404
    assert running.get("/notifications?after=x").status_code == 400


def test_metrics_show_the_age_and_the_alarm(running: Running) -> None:
    lines = dict(line.split() for line in running.get("/metrics").text.splitlines() if not line.startswith("#"))
    assert float(lines["watchdog_silent"]) == 0
    assert float(lines["watchdog_heartbeat_age_seconds"]) < 5


def test_metrics_have_types_and_the_requested_format(running: Running) -> None:
    running.post("/notifications", {"status": "firing"})
    text = running.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text.text)}
    assert {name: family.type for name, family in families.items()} == {
        "watchdog_heartbeat_age_seconds": "gauge",
        "watchdog_silent": "gauge",
        "watchdog_notifications": "counter",
    }
    assert families["watchdog_notifications"].samples[0].value == 1
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    openmetrics = requests.get(f"{running.url}/metrics", headers=asked, timeout=5)
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


def test_the_alarm_goes_to_the_webhook_with_its_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    with StubServer(lambda _: Response(status=204)) as receiver:
        settings = Settings(
            webhook=receiver.url,
            webhook_token_file=str(tmp_path / "token"),
            record=tmp_path / "r",
        )
        Alarm(settings, Record(settings.record)).raise_(50)
    ((request, _),) = receiver.log
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.get_json()["status"] == "firing"


def test_an_unavailable_receiver_does_not_stop_the_watchdog(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(webhook=f"http://127.0.0.1:{port}/", email_to="a@b", smtp_port=port, record=tmp_path / "r")
    record = Record(settings.record)
    Alarm(settings, record).raise_(50)
    assert record.count == 1


def test_every_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        load({"WATCHDOG_PORT": "0", "WATCHDOG_SILENCE_SECONDS": "soon", "WATCHDOG_WEBHOOK": "ftp://x"})
    assert all(name in str(error.value) for name in ("WATCHDOG_PORT", "WATCHDOG_SILENCE_SECONDS", "WATCHDOG_WEBHOOK"))


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    check_wrong_value(
        data,
        Settings,
        {},
        prefix="WATCHDOG_",
        kinds={"webhook": lambda _: urls("http", "https"), "hosts": lambda _: WRONG_HOSTS},
        blank_is_unset=True,
    )


def test_the_program_starts_raises_the_alarm_and_stops_on_sigterm(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "WATCHDOG_PORT": str(port),
        "WATCHDOG_SILENCE_SECONDS": "1",
        "WATCHDOG_RECORD": str(tmp_path / "r"),
    }
    process = subprocess.Popen([sys.executable, "-m", "platform_watchdog"], env=environment, stdout=subprocess.DEVNULL)
    try:

        def recorded() -> bool:
            assert process.poll() is None, "the watchdog stopped"
            return (tmp_path / "r").exists()

        eventually(recorded, "the alarm after a second of silence")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
    ids=str,
)
def test_a_web_page_cannot_keep_the_switch_quiet(running: Running, headers: dict[str, str], status: int) -> None:
    last = running.watchdog.switch._last
    sent = {**JSON, **headers}
    answer = requests.post(f"{running.url}/heartbeat", data=json.dumps(FIRING), headers=sent, timeout=5)
    assert answer.status_code == status
    assert running.watchdog.switch._last == last


def test_a_web_page_cannot_read_the_record(running: Running) -> None:
    headers = {"Host": "evil.example"}
    assert requests.get(f"{running.url}/notifications", headers=headers, timeout=5).status_code == 403
