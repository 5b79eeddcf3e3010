"""Grafana dashboards as code: the JSON files beside this package, what builds them, and marks on their time line."""
