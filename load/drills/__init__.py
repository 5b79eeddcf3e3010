"""Drills: inject real faults into the running platform and measure how alerting responds."""
