"""Injected faults: off by default, refused outside of drills, and observable when enabled."""

from __future__ import annotations

import dataclasses
import json
import os
import time

import psutil
import pytest
from contracts import faults
from contracts.api.authentication import RemoteKeys
from contracts.faults import FaultMiddleware, Faults, InjectedFault
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

WHOLE = "error_ratio=0.2, leak_mib_per_request=1.5,cpu_seconds_per_request=2"
WITH_FAULTS = [*settings.MIDDLEWARE, "contracts.faults.FaultMiddleware"]


def made(**values: float) -> FaultMiddleware:
    return FaultMiddleware(lambda request: HttpResponse(), Faults(**values))


def visit(middleware: FaultMiddleware, path: str = "/api/v1/things") -> None:
    middleware.process_view(RequestFactory().get(path), None, (), {})


@pytest.mark.parametrize("environment", ["development", "test", "drill", "production"])
def test_without_the_variable_nothing_is_installed(environment: str) -> None:
    assert faults.middleware(environment, {}) == []
    assert faults.middleware(environment, {"FAULTS": " "}) == []


def test_a_drill_installs_the_named_faults() -> None:
    assert faults.middleware("drill", {"FAULTS": WHOLE}) == ["contracts.faults.FaultMiddleware"]
    assert faults.load("drill", {"FAULTS": WHOLE}) == Faults(0.2, 1.5, 2.0)


@pytest.mark.parametrize("environment", ["development", "test", "production"])
def test_outside_of_a_drill_faults_stop_the_start(environment: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"FAULTS.*{environment}, allowed is drill"):
        faults.middleware(environment, {"FAULTS": "error_ratio=0.2"})


@pytest.mark.parametrize(
    "text",
    [
        "error_ratio",
        "error_ratio=",
        "error_ratio=much",
        "error_ratio=nan",
        "error_ratio=1.1",
        "error_ratio=-0.1",
        "leak_mib_per_request=17",
        "cpu_seconds_per_request=11",
        "no_such_fault=1",
        "error_ratio=0.1,error_ratio=0.2",
        "error_ratio=0.1,,",
    ],
)
def test_an_invalid_value_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"FAULTS: .*error_ratio=0\.\.1"):
        faults.load("drill", {"FAULTS": text})


def test_every_fault_has_its_limit() -> None:
    assert {field.name for field in dataclasses.fields(Faults)} == set(faults.LIMITS)


def test_a_failing_request_is_answered_like_any_other_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTS", "error_ratio=1")
    with override_settings(MIDDLEWARE=WITH_FAULTS):
        client = Client(raise_request_exception=False)
        answer, health = client.get("/api/schema/"), client.get("/livez")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert health.status_code == 200


def test_the_share_of_errors_is_the_configured_one() -> None:
    middleware, failed = made(error_ratio=0.2), 0
    for _ in range(2000):
        try:
            visit(middleware)
        except InjectedFault:
            failed += 1
    assert 300 < failed < 500


def test_a_leak_takes_memory_and_stops_before_the_machine_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "LEAK_AT_MOST_MIB", 32.0)
    middleware, before = made(leak_mib_per_request=4), psutil.Process(os.getpid()).memory_info().rss
    for _ in range(20):
        visit(middleware)
    grown = (psutil.Process(os.getpid()).memory_info().rss - before) / faults.MIB
    assert 24 < grown < 48, f"{grown:.0f} MiB were taken, expected were 32"


def test_a_hog_takes_cpu_time() -> None:
    before = time.thread_time()
    visit(made(cpu_seconds_per_request=0.1))
    assert time.thread_time() - before >= 0.1


def test_the_wrong_key_set_is_readable_and_verifies_nothing() -> None:
    middleware = made(wrong_key_set=1)
    answer = middleware.process_view(RequestFactory().get(faults.KEY_SET), None, (), {})
    assert answer is not None
    keys = RemoteKeys(lambda: json.loads(answer.content))
    with pytest.raises(KeyError):
        keys.key("the key that signs")
    assert keys.key("drill")
    assert middleware.process_view(RequestFactory().get("/api/v1/things"), None, (), {}) is None


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_checks_are_excluded(path: str) -> None:
    before = time.thread_time()
    visit(made(error_ratio=1, cpu_seconds_per_request=5), path)
    assert time.thread_time() - before < 1
