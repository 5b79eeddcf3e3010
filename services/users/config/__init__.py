"""Environment, settings, addresses and the server of the users service."""
