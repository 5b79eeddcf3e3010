"""Error budgets. Long steps, since the windows are hours and days: each alert has the coarsest of which its shortest
window holds two, and that its `for` allows."""

from __future__ import annotations

from alerts.generator.build import views
from series import Case, counter, together

from cases.services import LATENCY, RESPONSES

MINUTE = 60
HOUR = 3600
DAY = 86400
FAST, STEADY, SLOW, LASTS = (
    "ErrorBudgetBurnsFast",
    "ErrorBudgetBurnsSteadily",
    "ErrorBudgetBurnsSlowly",
    "ErrorBudgetJustLasts",
)
STEPS = {FAST: 30, STEADY: 30, SLOW: 20 * MINUTE, LASTS: HOUR}
VIEW = views()["place-order"]


def orders(
    status: str, *phases: tuple[float, float], step: int = STEPS[FAST], method: str = "POST", view: str = VIEW
) -> dict[str, str]:
    """Answers of the order journey."""
    series = f'{RESPONSES}{{service="orders", view="{view}", method="{method}", status="{status}"}}'
    return {series: counter(*phases, step=step)}


def timing(slow_from: float, until: float, share: float) -> dict[str, str]:
    """One request a second; from `slow_from` on a share of them takes longer than a second."""
    labels = f'service="orders", view="{VIEW}", method="POST"'
    return {
        f'{LATENCY}_bucket{{{labels}, le="1.0"}}': counter(
            (slow_from, 1), (until - slow_from, 1 - share), step=STEPS[FAST]
        ),
        f"{LATENCY}_count{{{labels}}}": counter((until, 1), step=STEPS[FAST]),
    }


def delays(late_from: float, until: float, share: float) -> dict[str, str]:
    """One mail a second; from `late_from` on a share of them goes out after half a minute."""
    return {
        'order_mail_delay_seconds_bucket{service="notifications", le="30.0"}': counter(
            (late_from, 1), (until - late_from, 1 - share), step=STEPS[FAST]
        ),
        'order_mail_delay_seconds_count{service="notifications"}': counter((until, 1), step=STEPS[FAST]),
    }


def _availability(alert: str, share: float, until: float, fires: dict[int, int], story: str) -> Case:
    step = STEPS[alert]
    start = 2 * HOUR
    return Case(
        alert,
        story,
        together(
            orders("201", (start, 1), (until - start, 1 - share), step=step),
            orders("503", (start, 0), (until - start, share), step=step),
        ),
        fires,
        {
            "journey": "place-order",
            "slo": "availability",
            "service": "orders",
            "root_service": "orders",
            "layer": "symptom",
        },
        step=step,
    )


def _phases(alert: str, story: str, phases: list[tuple[float, float]], fires: dict[int, int], rate: float = 1) -> Case:
    """`rate` orders a second; in each phase (seconds, share) that share of them fails."""
    return Case(
        alert,
        story,
        together(
            orders("201", *((seconds, rate * (1 - share)) for seconds, share in phases), step=STEPS[alert]),
            orders("503", *((seconds, rate * share) for seconds, share in phases), step=STEPS[alert]),
        ),
        fires,
        step=STEPS[alert],
    )


# Each window by itself keeps the alert quiet; and it takes ten failures an hour, whatever their share.
_WINDOWS = [
    _phases(FAST, "the hour has hardly begun to suffer", [(2 * HOUR, 0), (HOUR, 0.3)], {2 * HOUR + 10 * MINUTE: 0}),
    _phases(
        FAST,
        "an outage before, and again a little for some minutes",
        [(HOUR, 0), (12 * MINUTE, 1), (10 * MINUTE, 0), (10 * MINUTE, 0.09)],
        {HOUR + 25 * MINUTE: 0, HOUR + 26 * MINUTE: 0},
    ),
    _phases(
        FAST,
        "it is nearly over",
        [(2 * HOUR, 0), (25 * MINUTE, 0.3), (10 * MINUTE, 0.03)],
        {2 * HOUR + 25 * MINUTE: 1, 2 * HOUR + 27 * MINUTE: 0, 2 * HOUR + 28 * MINUTE: 0},
    ),
    _phases(FAST, "few orders, all fail", [(HOUR, 0), (HOUR, 1)], {HOUR + 40 * MINUTE: 1}, rate=0.02),
    _phases(
        STEADY,
        "an outage before, and again a little",
        [(2 * HOUR, 0), (HOUR, 0.5), (40 * MINUTE, 0), (20 * MINUTE, 0.04)],
        {3 * HOUR + 57 * MINUTE: 0, 3 * HOUR + 59 * MINUTE: 0},
    ),
    _phases(
        STEADY,
        "it is nearly over",
        [(2 * HOUR, 0), (4 * HOUR, 0.08), (20 * MINUTE, 0.02)],
        {6 * HOUR: 1, 6 * HOUR + 3 * MINUTE: 0, 6 * HOUR + 10 * MINUTE: 0},
    ),
    _phases(STEADY, "few orders, many fail", [(2 * HOUR, 0), (5 * HOUR, 0.5)], {7 * HOUR: 1}, rate=0.005),
    _phases(SLOW, "the worst is over", [(2 * HOUR, 0), (DAY, 0.03), (5 * HOUR, 0.01)], {DAY + 6 * HOUR: 0}),
    _phases(SLOW, "few orders, many fail", [(2 * HOUR, 0), (DAY, 0.5)], {DAY: 1}, rate=0.001),
    _phases(SLOW, "hardly any orders, all fail", [(2 * HOUR, 0), (DAY, 1)], {DAY: 0}, rate=0.00008),
    _phases(LASTS, "the worst is over", [(2 * HOUR, 0), (3 * DAY, 0.01), (DAY, 0.003)], {3 * DAY + 12 * HOUR: 0}),
    _phases(LASTS, "few orders, many fail", [(2 * HOUR, 0), (2 * DAY, 0.5)], {2 * DAY: 1}, rate=0.0005),
    _phases(LASTS, "hardly any orders, all fail", [(2 * HOUR, 0), (2 * DAY, 1)], {2 * DAY: 0}, rate=0.00003),
    _phases(LASTS, "a bad morning in quiet days", [(2 * DAY, 0), (6 * HOUR, 0.02)], {2 * DAY + 6 * HOUR: 0}),
]

CASES = [
    *_WINDOWS,
    # Order availability: budget 0.005. At 30 % failures the hour's 7.2 % are reached after 15 min, and then 2 min.
    _availability(
        FAST, 0.3, 3 * HOUR, {2 * HOUR: 0, 2 * HOUR + 15 * MINUTE: 0, 2 * HOUR + 18 * MINUTE: 1}, "30 % fail"
    ),
    _availability(FAST, 0.05, 4 * HOUR, {4 * HOUR: 0}, "5 % fail: slower than this"),
    _availability(
        STEADY,
        0.05,
        9 * HOUR,
        {2 * HOUR: 0, 5 * HOUR + 15 * MINUTE: 0, 5 * HOUR + 16 * MINUTE: 1},
        "5 % fail for hours",
    ),
    _availability(STEADY, 0.02, 9 * HOUR, {9 * HOUR: 0}, "2 % fail"),
    _availability(SLOW, 0.02, 2 * DAY, {2 * HOUR: 0, 9 * HOUR: 0, 9 * HOUR + 20 * MINUTE: 1}, "2 % fail for a day"),
    _availability(SLOW, 0.01, 2 * DAY, {2 * DAY: 0}, "1 % fails"),
    _availability(LASTS, 0.007, 4 * DAY, {2 * HOUR: 0, 10 * HOUR: 0, 11 * HOUR: 1}, "0.7 % fail for days"),
    _availability(LASTS, 0.003, 4 * DAY, {4 * DAY: 0}, "0.3 % fail"),
    *(
        Case(
            alert,
            "an outage that is over: the short window is clean",
            together(
                orders("201", (HOUR, 1), (outage, 0), (rest, 1), step=STEPS[alert]),
                orders("503", (HOUR, 0), (outage, 1), (rest, 0), step=STEPS[alert]),
            ),
            {HOUR + outage + rest: 0},
            step=STEPS[alert],
        )
        for alert, outage, rest in (
            (FAST, 10 * MINUTE, 12 * MINUTE),
            (STEADY, HOUR, 40 * MINUTE),
            (SLOW, 3 * HOUR, 4 * HOUR),
            (LASTS, 3 * HOUR, 10 * HOUR),
        )
    ),
    *(
        Case(
            alert,
            "three failed requests, and hardly any others",
            together(
                orders("201", (until, 0.0005), step=STEPS[alert]),
                orders("503", (HOUR, 0), (HOUR, 3 / HOUR), (until - 2 * HOUR, 0), step=STEPS[alert]),
            ),
            {2 * HOUR: 0, until: 0},
            step=STEPS[alert],
        )
        for alert, until in ((FAST, 2 * HOUR), (STEADY, 6 * HOUR), (SLOW, DAY), (LASTS, 2 * DAY))
    ),
    *(
        Case(
            alert,
            "declined, not found and other services' calls are not failures",
            together(
                orders("201", (until, 1), step=STEPS[alert]),
                orders("402", (until, 1), step=STEPS[alert]),
                orders("503", (until, 1), step=STEPS[alert], method="GET"),
                orders("503", (until, 1), step=STEPS[alert], view="other"),
            ),
            {until: 0},
            step=STEPS[alert],
        )
        for alert, until in ((FAST, 2 * HOUR), (STEADY, 8 * HOUR))
    ),
    Case(
        FAST,
        "a third of the orders is slow",
        timing(HOUR, 3 * HOUR, 0.33),
        {HOUR: 0, HOUR + 20 * MINUTE: 0, HOUR + 32 * MINUTE: 1},
        {"journey": "place-order", "slo": "latency"},
        step=STEPS[FAST],
    ),
    Case(FAST, "a tenth of the orders is slow", timing(HOUR, 3 * HOUR, 0.1), {3 * HOUR: 0}, step=STEPS[FAST]),
    Case(
        FAST,
        "half of the mails are late",
        delays(HOUR, 3 * HOUR, 0.5),
        {HOUR: 0, HOUR + 12 * MINUTE: 0, HOUR + 24 * MINUTE: 1},
        {"journey": "order-mail", "slo": "delay", "service": "notifications", "root_service": "notifications"},
        step=STEPS[FAST],
    ),
    Case(
        FAST,
        "the service starts again: no failures come out of that",
        together(orders("201", (HOUR, 1), (HOUR, -1)), orders("503", (HOUR, 0.001), (HOUR, 0))),
        {HOUR + 5 * MINUTE: 0, 2 * HOUR: 0},
        step=STEPS[FAST],
    ),
    *(
        Case(alert, "no series", {"up": counter((2 * HOUR, 0), step=STEPS[alert])}, {2 * HOUR: 0}, step=STEPS[alert])
        for alert in (FAST, STEADY, SLOW, LASTS)
    ),
]
