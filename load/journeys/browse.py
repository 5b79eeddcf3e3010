"""The journey of browsing the catalogue."""

from __future__ import annotations

import random

from locust import task

from load.shopper import Shopper


class Browse(Shopper):
    """An anonymous visitor without an account, who reads only the public catalogue."""

    weight = 5

    @task(3)
    def look_at_the_list(self) -> None:
        """Read the first page of products."""
        self.list_products()

    @task(2)
    def look_at_one(self) -> None:
        """Read one product of the list."""
        self.look_at_product(random.choice(self.known_products()))
