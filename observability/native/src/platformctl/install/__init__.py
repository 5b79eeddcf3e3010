"""Brings every backend onto the machine: verified, resumable, shared among clones."""
