"""Grafana dashboards as code: the builder of the JSON files next to this package."""
