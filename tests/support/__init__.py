"""Clients for the running platform: its API, backends and processes."""
