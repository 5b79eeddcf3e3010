"""The journeys of simulated users, one module each. NAMES lists the values that `--journeys` accepts."""

from load.journeys.account import Account
from load.journeys.browse import Browse
from load.journeys.misbehaving import Misbehaving
from load.journeys.order import Order
from load.shopper import Shopper

# A new journey is a class in its own module and one line here.
NAMES: dict[str, type[Shopper]] = {"browse": Browse, "account": Account, "order": Order, "misbehaving": Misbehaving}

__all__ = ["NAMES", "Account", "Browse", "Misbehaving", "Order"]
