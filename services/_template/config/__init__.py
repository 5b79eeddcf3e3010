"""Environment, settings, addresses and the server of newservice."""
