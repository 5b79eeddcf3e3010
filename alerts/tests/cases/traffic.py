"""Traffic."""

from __future__ import annotations

from series import Case, counter, gap, gauge, together

from cases.services import HEALTH, responses


def scraped(values: str, service: str = "orders", job: str = "django") -> dict[str, str]:
    """What Prometheus notes of each scrape of one of the service's processes."""
    return {f'up{{job="{job}", service="{service}", process="{service}", instance="{service}"}}': values}


ALWAYS = scraped(gauge((2000, 1)))


CASES = [
    Case(
        "TrafficAbsent",
        "a minute without a request where there were two a second",
        together(responses("201", counter((900, 2), (300, 0))), responses("200", counter((1200, 2)), "users"), ALWAYS),
        {900: 0, 965: 0, 980: 1},
        {"service": "orders", "root_service": "front-door", "team": "platform"},
    ),
    Case(
        "TrafficAbsent",
        "a night's traffic: one request a minute",
        together(responses("201", counter((900, 2), *[(5, 0.2), (35, 0)] * 10)), ALWAYS),
        {1000: 0, 1250: 0},
    ),
    Case(
        "TrafficAbsent",
        "there never was much",
        together(responses("201", counter((900, 0.05), (300, 0))), ALWAYS),
        {1000: 0, 1190: 0},
    ),
    Case(
        "TrafficAbsent",
        "health checks are not traffic",
        together(
            responses("201", counter((900, 2), (300, 0))), responses("200", counter((1200, 2)), view=HEALTH), ALWAYS
        ),
        {980: 1},
    ),
    Case(
        "TrafficAbsent",
        "a service that no journey calls",
        together(
            responses("201", counter((900, 2), (300, 0)), "payments"), scraped(gauge((2000, 1)), "payments"), ALWAYS
        ),
        {1000: 0},
    ),
    Case(
        "TrafficAbsent",
        "an hour later it is the normal state",
        together(responses("201", counter((900, 2), (900, 0))), ALWAYS),
        {980: 1, 1550: 0},
    ),
    Case(
        "TrafficAbsent",
        "a restart",
        together(responses("201", counter((900, 2), (300, -2))), ALWAYS),
        {980: 0, 1100: 0},
    ),
    Case(
        "TrafficAbsent",
        "the figures have a gap of half a minute",
        together(responses("201", gap(counter((1200, 2)), 900, 30)), ALWAYS),
        {925: 0, 940: 0},
    ),
    Case(
        "TrafficAbsent",
        "the series are missing, and the scrape is known to fail",
        together(responses("201", gap(counter((1200, 2)), 900, 300)), scraped(gauge((900, 1), (300, 0)))),
        {960: 0, 985: 1},
    ),
    Case(
        "TrafficAbsent",
        "everything was stopped for three minutes, Prometheus too, and begins again without a visitor",
        together(
            responses("201", gap(counter((900, 2), (600, 0)), 900, 180)),
            scraped(gap(gauge((1500, 1)), 900, 180)),
            scraped(gauge((1500, 1)), job="another"),
        ),
        {1085: 0, 1110: 0, 1120: 0, 1160: 1},
    ),
]
