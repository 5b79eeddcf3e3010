"""Grafana dashboards as code: the JSON files beside this package, and what builds them."""
