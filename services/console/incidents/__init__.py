"""Incidents: what is wrong now, why, and what responders did about it."""
