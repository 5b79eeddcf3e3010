"""Installs every backend: verified, resumable, shared by all clones on the machine."""
