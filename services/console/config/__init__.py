"""Environment, settings, addresses and the server of the console."""
