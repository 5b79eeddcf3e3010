"""Business metrics of this service."""

from __future__ import annotations

from django_telemetry import metrics

LOGIN_OUTCOMES = ("ok", "invalid_credentials", "inactive", "throttled")

users_signed_up_total = metrics.counter("users_signed_up_total", "Accounts created.")
logins_total = metrics.counter("logins_total", "Attempts to log in, by outcome.", ["outcome"])
sign_ups_throttled_total = metrics.counter("sign_ups_throttled_total", "Sign-ups refused by the limit of a network.")
refresh_tokens_reused_total = metrics.counter(
    "refresh_tokens_reused_total", "Refresh tokens sent again after their replacement; their sessions were ended."
)
metrics.start_at_zero(logins_total, LOGIN_OUTCOMES)
