"""Dashboards: draws the repository's dashboards/*.json with the same numbers as Grafana."""
