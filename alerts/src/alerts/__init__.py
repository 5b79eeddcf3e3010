"""Alerting: rules, routes, runbooks and their tests."""
