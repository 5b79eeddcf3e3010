"""Installs, starts, watches and stops the whole platform as ordinary processes, without Docker."""
