"""Service level objectives of the user journeys: indicators over sloth's windows, and burn-rate alerts."""

from __future__ import annotations

from dataclasses import dataclass

from catalogue import Catalogue, Journey, Slo

from alerts.generator.describe import Describer, Subject
from alerts.generator.model import Alert, Group, Record, Severity, seconds
from alerts.generator.services import LATENCY, RESPONSES
from alerts.generator.thresholds import Thresholds

# The shortest window shows whether the budget is still burning.
WINDOWS = ("1m", "5m", "30m", "1h", "2h", "6h", "1d", "3d")
DELAY = "order_mail_delay_seconds"


@dataclass(frozen=True)
class Burn:
    """A burn rate that alerts: over both windows, `factor` (a threshold) times what spends the budget in 30 days.

    A page also needs that rate in the last minute, so that an incident that has ended doesn't page while it is still
    inside the windows.
    """

    name: str
    long: str
    short: str
    factor: str
    lasting: str
    severity: Severity
    summary: str


# Windows and durations of Google's SRE workbook as sloth generates them.
BURNS = (
    Burn(
        "ErrorBudgetBurnsFast",
        "1h",
        "5m",
        "slo_burn_fast_times",
        "2m",
        "page",
        "Users are affected: at this rate the error budget lasts two days",
    ),
    Burn(
        "ErrorBudgetBurnsSteadily",
        "6h",
        "30m",
        "slo_burn_steady_times",
        "15m",
        "page",
        "Users are affected: at this rate the error budget lasts five days",
    ),
    Burn(
        "ErrorBudgetBurnsSlowly",
        "1d",
        "2h",
        "slo_burn_slow_times",
        "1h",
        "ticket",
        "At this rate the error budget lasts ten days",
    ),
    Burn(
        "ErrorBudgetJustLasts",
        "3d",
        "6h",
        "slo_burn_lasting_times",
        "3h",
        "ticket",
        "At this rate the error budget just lasts its 30 days",
    ),
)


def recorded(catalogue: Catalogue, views: dict[str, str]) -> tuple[Group, ...]:
    """Objectives, remaining budget, and per window the rates of all events and of bad events."""
    slos = [(journey, slo) for journey in catalogue.journeys.values() for slo in journey.slos]
    groups = []
    for window in WINDOWS:
        rules = []
        for journey, slo in slos:
            total, bad = _events(journey, slo, window, views)
            labels = _labels(journey, slo)
            rules.append(Record(f"slo:events:rate{window}", f"sum({total})", labels))
            # Before the first bad series exists, the rate of bad events is 0, not unknown.
            rules.append(Record(f"slo:bad_events:rate{window}", bad, labels))
        rules.append(
            Record(f"slo:bad_events:ratio_rate{window}", f"slo:bad_events:rate{window} / (slo:events:rate{window} > 0)")
        )
        groups.append(Group(f"slo-recorded-{window}", tuple(rules), interval=_interval(window)))
    objectives = tuple(
        Record("slo:objective:ratio", f"vector({slo.objective})", _labels(journey, slo)) for journey, slo in slos
    )
    left = Record(
        "slo:error_budget_left:ratio3d",
        # Over the last three days (or as much as is stored). Negative when the budget is overspent.
        "1 - slo:bad_events:ratio_rate3d / (1 - slo:objective:ratio)",
    )
    return (Group("slo-objectives", (*objectives, left), interval="15s"), *groups)


def alerts(describer: Describer, t: Thresholds) -> Group:
    """Four burn-rate alerts, each over all objectives."""
    return Group("slo", tuple(_burn_alert(describer, burn, t) for burn in BURNS))


def _burn_alert(describer: Describer, burn: Burn, t: Thresholds) -> Alert:
    return describer.alert(
        burn.name,
        f"""
        slo:bad_events:ratio_rate{burn.long} > {t[burn.factor]} * (1 - slo:objective:ratio)
        and slo:bad_events:ratio_rate{burn.short} > {t[burn.factor]} * (1 - slo:objective:ratio)
{_goes_on(burn, t)}        and slo:bad_events:rate{burn.long} * {seconds(burn.long)}
          >= {t["slo_burn_bad_events_per_hour"]}
        """,
        lasting=burn.lasting,
        layer="symptom",
        severity=burn.severity,
        summary=burn.summary,
        description="{{ $labels.journey }}, {{ $labels.slo }}: {{ $value | humanizePercentage }} of the events "
        f"in the last {burn.long} were bad.",
        about=Subject("overview"),
    )


def _goes_on(burn: Burn, t: Thresholds) -> str:
    """A clause for pages: the budget still burns. Tickets may report what has ended."""
    if burn.severity != "page":
        return ""
    return f"        and slo:bad_events:ratio_rate1m > {t[burn.factor]} * (1 - slo:objective:ratio)\n"


def _labels(journey: Journey, slo: Slo) -> dict[str, str]:
    return {"journey": journey.name, "service": journey.service, "slo": slo.kind}


def _events(journey: Journey, slo: Slo, window: str, views: dict[str, str]) -> tuple[str, str]:
    """Two expressions: the rate of all events (to be summed) and the rate of bad events."""
    if slo.kind == "delay":
        total = f'rate({DELAY}_count{{service="{journey.service}"}}[{window}])'
        good = f'rate({DELAY}_bucket{{service="{journey.service}", le="{slo.threshold_seconds:.1f}"}}[{window}])'
        return total, f"sum({total}) - sum({good})"
    which = f'service="{journey.service}", view="{views[journey.name]}", method="{journey.method}"'
    if slo.kind == "availability":
        total = f"rate({RESPONSES}{{{which}}}[{window}])"
        bad = f'sum(rate({RESPONSES}{{{which}, status=~"5.."}}[{window}])) or 0 * sum({total})'
        return total, bad
    total = f"rate({LATENCY}_count{{{which}}}[{window}])"
    threshold = repr(float(slo.threshold_seconds or 0))
    return total, f'sum({total}) - sum(rate({LATENCY}_bucket{{{which}, le="{threshold}"}}[{window}]))'


def _interval(window: str) -> str:
    """The evaluation interval: short windows have to be fresh, windows of days don't."""
    return {"1m": "5s", "5m": "15s", "1h": "15s"}.get(window, "1m")
