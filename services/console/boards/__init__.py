"""Dashboards: draws the repository's dashboards/*.json with the numbers that Grafana would show."""
