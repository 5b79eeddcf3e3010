"""Traffic."""

from __future__ import annotations

from alerts.tests.cases.services import HEALTH, responses
from alerts.tests.series import Case, counter, gap, together

CASES = [
    Case(
        "TrafficAbsent",
        "a minute without a request where there were two a second",
        together(responses("201", counter((900, 2), (300, 0))), responses("200", counter((1200, 2)), "users")),
        {900: 0, 965: 0, 980: 1},
        {"service": "orders", "root_service": "front-door", "team": "platform"},
    ),
    Case(
        "TrafficAbsent",
        "a night's traffic: one request a minute",
        responses("201", counter((900, 2), *[(5, 0.2), (35, 0)] * 10)),
        {1000: 0, 1250: 0},
    ),
    Case("TrafficAbsent", "there never was much", responses("201", counter((900, 0.05), (300, 0))), {1000: 0, 1190: 0}),
    Case(
        "TrafficAbsent",
        "health checks are not traffic",
        together(responses("201", counter((900, 2), (300, 0))), responses("200", counter((1200, 2)), view=HEALTH)),
        {980: 1},
    ),
    Case(
        "TrafficAbsent",
        "a service that no journey calls",
        responses("201", counter((900, 2), (300, 0)), "payments"),
        {1000: 0},
    ),
    Case(
        "TrafficAbsent",
        "an hour later it is the normal state",
        responses("201", counter((900, 2), (900, 0))),
        {980: 1, 1550: 0},
    ),
    Case("TrafficAbsent", "a restart", responses("201", counter((900, 2), (300, -2))), {980: 0, 1100: 0}),
    Case(
        "TrafficAbsent",
        "the figures have a gap of half a minute",
        responses("201", gap(counter((1200, 2)), 900, 30)),
        {925: 0, 940: 0},
    ),
    Case(
        "TrafficAbsent", "the figures are gone", responses("201", gap(counter((1200, 2)), 900, 300)), {960: 0, 985: 1}
    ),
]
