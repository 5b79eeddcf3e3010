"""The journey of ordering: most orders succeed, some cards are declined, some products are sold out."""

from __future__ import annotations

from locust import task

from load.shopper import OUT_OF_STOCK_SKU, Product, Shopper


class Order(Shopper):
    """A buyer. A refusal with a valid reason (declined, out of stock) is an expected response."""

    weight = 3
    _sold_out: Product | None = None

    @task(8)
    def buy(self) -> None:
        """Choose products, order them and read the order."""
        order = self.place_order(self.fill_cart()).body
        self.look_at_order(order["id"])

    @task(1)
    def buy_with_a_declined_card(self) -> None:
        """Expect 402 card_declined."""
        self.place_order(self.fill_cart(), card="tok_declined", expect=402, code="card_declined")

    @task(1)
    def buy_without_funds(self) -> None:
        """Expect 402 insufficient_funds."""
        self.place_order(self.fill_cart(), card="tok_insufficient_funds", expect=402, code="insufficient_funds")

    @task(1)
    def buy_what_is_sold_out(self) -> None:
        """Expect 409 out_of_stock."""
        if self._sold_out is None:
            self._sold_out = self.find_product(OUT_OF_STOCK_SKU)
        lines = [{"product_id": self._sold_out["id"], "quantity": 1}]
        self.place_order(lines, expect=409, code="out_of_stock")

    @task(2)
    def look_back(self) -> None:
        """Read the user's orders and the mails about them."""
        self.list_orders()
        self.list_notifications()
