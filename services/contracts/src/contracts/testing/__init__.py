"""Shared test support: a database and broker vhost per run, tokens, and the table of invalid bodies."""
