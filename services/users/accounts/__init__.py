"""Accounts, login and access tokens."""
