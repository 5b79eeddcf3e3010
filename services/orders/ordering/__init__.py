"""Orders: placing them, what happens when a step fails, and telling the others what became of them."""
