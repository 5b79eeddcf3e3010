"""Environment, settings, addresses and the server of the orders service."""
