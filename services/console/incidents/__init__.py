"""Incidents: what is wrong now, why, and what people did about it."""
