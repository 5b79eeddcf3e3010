"""Business metrics of this service."""

from __future__ import annotations

from django_telemetry import metrics

LOGIN_OUTCOMES = ("ok", "invalid_credentials", "inactive")

users_signed_up_total = metrics.counter("users_signed_up_total", "Accounts created.")
logins_total = metrics.counter("logins_total", "Attempts to log in, by outcome.", ["outcome"])
metrics.start_at_zero(logins_total, LOGIN_OUTCOMES)
