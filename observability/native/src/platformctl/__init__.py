"""Installs, starts, monitors and stops the whole platform as ordinary processes, without Docker."""
