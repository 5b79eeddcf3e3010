"""Products, their stock, and reservations of it."""
