"""Limits on guessing passwords and on sign-ups: a growing pause by account and by network, no lock-out."""

from __future__ import annotations

import threading
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from accounts import domain, metrics
from accounts.models import Throttle, User
from accounts.throttling import ACCOUNT, NETWORK, PAIR, SIGN_UP, Limit, Throttled, attempt
from conftest import PASSWORD
from contracts.testing.bodies import assert_problem
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

ATTACKER, OWNER = "203.0.113.7", "198.51.100.9"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cheap_hashes(settings: Settings) -> None:
    """Hundreds of passwords are checked here; what a hash costs is tested elsewhere."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def log_in(email: str, password: str, address: str = ATTACKER, **headers: str) -> Any:
    return Client(REMOTE_ADDR=address, headers=headers).post(
        "/api/v1/token", {"email": email, "password": password}, content_type="application/json"
    )


def sign_up(number: int, address: str = ATTACKER) -> Any:
    body = {"email": f"throttled{number}@example.com", "password": PASSWORD, "name": "Ada"}
    return Client(REMOTE_ADDR=address).post("/api/v1/users", body, content_type="application/json")


def age(**by: float) -> None:
    """Let the time pass for all pauses."""
    for row in Throttle.objects.all():
        row.next_at -= timedelta(**by)
        row.forgotten_at -= timedelta(**by)
        row.save()


def test_guesses_are_slowed_down_even_for_the_right_password(user: User) -> None:
    before = metrics.logins_total.labels("throttled")._value.get()
    assert [log_in(user.email, "wrong").status_code for _ in range(5)] == [401] * 5
    answer = log_in(user.email, PASSWORD)
    assert_problem(answer, 429, "too_many_attempts")
    assert int(answer["Retry-After"]) >= 1
    assert metrics.logins_total.labels("throttled")._value.get() == before + 1


def test_the_pause_grows_with_each_guess_and_ends(user: User) -> None:
    pauses = []
    for _ in range(9):
        log_in(user.email, "wrong")
        pauses.append(int(log_in(user.email, "wrong").headers.get("Retry-After", "0")))
        age(hours=0.5)
        Throttle.objects.update(forgotten_at=timezone.now() + timedelta(hours=1))
    assert pauses[-3:] == sorted(pauses[-3:])
    assert pauses[-1] > pauses[-3] >= 1
    assert log_in(user.email, PASSWORD).status_code == 200


def test_an_attacker_does_not_lock_the_owner_out(user: User) -> None:
    for _ in range(30):
        log_in(user.email, "wrong")
    assert log_in(user.email, PASSWORD, OWNER).status_code == 200


def test_many_networks_that_guess_one_account_are_slowed_down(user: User) -> None:
    statuses = [log_in(user.email, "wrong", f"203.0.113.{number}").status_code for number in range(60)]
    assert statuses[:50] == [401] * 50
    assert 429 in statuses[50:]
    age(seconds=31)
    assert log_in(user.email, PASSWORD, OWNER).status_code == 200, "the pause for the owner is short"


def test_one_network_that_guesses_many_accounts_is_slowed_down() -> None:
    statuses = [log_in(f"unknown{number}@example.com", "wrong").status_code for number in range(55)]
    assert (statuses[:50], statuses[50]) == ([401] * 50, 429)


def test_an_unknown_address_is_slowed_down_like_a_known_one(user: User) -> None:
    statuses = [[log_in(email, "wrong").status_code for _ in range(6)] for email in (user.email, "no@example.com")]
    assert statuses[0] == statuses[1] == [401] * 5 + [429]


def test_logins_with_the_right_password_are_not_limited(user: User) -> None:
    assert {log_in(user.email, PASSWORD).status_code for _ in range(8)} == {200}
    assert not Throttle.objects.exclude(attempts=0).exists()


def test_sign_ups_of_a_network_are_limited() -> None:
    before = metrics.sign_ups_throttled_total._value.get()
    assert [sign_up(number).status_code for number in range(11)] == [201] * 10 + [429]
    assert sign_up(20, OWNER).status_code == 201
    assert metrics.sign_ups_throttled_total._value.get() == before + 1


def test_networks_of_the_installation_sign_up_without_limit(user: User) -> None:
    assert {sign_up(number, "127.0.0.1").status_code for number in range(12)} == {201}
    assert [log_in(user.email, "wrong", "127.0.0.1").status_code for _ in range(6)][-1] == 429


def test_behind_a_trusted_proxy_the_clients_own_address_counts(settings: Settings, user: User) -> None:
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    proxy = "10.0.0.1"
    for _ in range(6):
        log_in(user.email, "wrong", proxy, **{"x-forwarded-for": f"1.1.1.1, {ATTACKER}"})
    assert log_in(user.email, PASSWORD, proxy, **{"x-forwarded-for": f"2.2.2.2, {ATTACKER}"}).status_code == 429
    assert log_in(user.email, PASSWORD, proxy, **{"x-forwarded-for": OWNER}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_do_not_pass_together() -> None:
    start = threading.Barrier(8)
    accepted: list[bool] = []

    def guess() -> None:
        start.wait(timeout=10)
        try:
            attempt([(Limit("parallel", 3, timedelta(minutes=1), timedelta(hours=1)), "a")])
            accepted.append(True)
        except Throttled:
            accepted.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(accepted) == [False] * 5 + [True] * 3


def test_forgotten_rows_are_deleted(user: User) -> None:
    log_in(user.email, "wrong")
    Throttle.objects.update(forgotten_at=timezone.now() - timedelta(seconds=1))
    log_in("other@example.com", "wrong", OWNER)
    assert not Throttle.objects.filter(forgotten_at__lt=timezone.now()).exists()


def test_no_address_is_stored(user: User) -> None:
    log_in(user.email, "wrong")
    assert not [key for key in Throttle.objects.values_list("key", flat=True) if "@" in key or ATTACKER in key]


@given(st.sampled_from([PAIR, ACCOUNT, NETWORK, SIGN_UP]), st.integers(0, 10**9))
def test_every_pause_is_bounded_and_grows(limit: Limit, attempts: int) -> None:
    assert timedelta() <= limit.pause(attempts) <= limit.pause(attempts + 1) <= limit.longest


def test_a_domain_without_a_network_has_the_limits_of_the_account(user: User) -> None:
    for _ in range(5):
        with pytest.raises(domain.InvalidCredentials):
            domain.log_in(user.email, "wrong")
    with pytest.raises(Throttled):
        domain.log_in(user.email, "wrong")
