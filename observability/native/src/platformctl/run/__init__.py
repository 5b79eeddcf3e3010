"""Runs the platform: processes, their configuration and environment, and the supervisor."""
