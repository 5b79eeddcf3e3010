"""Environment, settings, addresses and the server of the notifications service."""
