"""Products, their stock and its reservations."""
