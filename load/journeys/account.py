"""The journey of signing up and logging in."""

from __future__ import annotations

from locust import between, task

from load.shopper import Shopper


class Account(Shopper):
    """A new user who later returns. Slow: each password hash costs the server CPU time by design."""

    weight = 1
    wait_time = between(1.0, 3.0)

    @task(1)
    def sign_up_and_log_in(self) -> None:
        """Create an account, log in and read the account."""
        self.sign_up()
        self.log_in()
        self.look_at_own_account()

    @task(2)
    def come_back(self) -> None:
        """Log in again and read the account."""
        self.log_in()
        self.look_at_own_account()

    @task(1)
    def stay(self) -> None:
        """Exchange the refresh token."""
        self.refresh_session()
