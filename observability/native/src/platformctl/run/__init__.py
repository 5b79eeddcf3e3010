"""Runs the platform: its processes, their configuration and environment, and the supervisor that starts them."""
