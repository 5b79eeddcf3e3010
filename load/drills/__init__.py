"""Drills: real faults put into the running platform, to see what alerting makes of them."""
