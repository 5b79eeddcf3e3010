"""Supports docker compose: secrets, set-up jobs and the generated parts of the configuration."""
