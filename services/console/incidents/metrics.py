"""Counters of what is received from Alertmanager, and of incidents opened."""

from django_telemetry.metrics import counter, start_at_zero

ACCEPTED, REFUSED = OUTCOMES = ("accepted", "refused")
DONE, FAILED = ROUNDS = ("done", "failed")

alert_deliveries_total = counter(
    "alert_deliveries_total", "Deliveries to the alert webhook, by what became of them.", ["outcome"]
)
incidents_opened_total = counter(
    "incidents_opened_total", "Incidents opened, by the severity of the first alert.", ["severity"]
)
alert_reconciliations_total = counter(
    "alert_reconciliations_total", "Comparisons of the incidents with Alertmanager, by outcome.", ["outcome"]
)

start_at_zero(alert_deliveries_total, OUTCOMES)
start_at_zero(alert_reconciliations_total, ROUNDS)
start_at_zero(incidents_opened_total, ("page", "ticket", "info"))
