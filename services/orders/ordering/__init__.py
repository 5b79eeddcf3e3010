"""Orders: placement, compensation when a step fails, and events about the outcome."""
