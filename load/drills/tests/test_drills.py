"""The runner's parts: descriptors, journal, notifications, scores. The drills test the effects on a platform."""

from __future__ import annotations

import dataclasses
import signal
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import catalogue
import pytest
from contracts import faults

from load.drills import actions, descriptor, engine, interrupts, marks, score
from load.drills.__main__ import chosen, repeated
from load.drills.actions import ACTIONS, Action
from load.drills.descriptor import DescriptorError, Drill
from load.drills.engine import Result
from load.drills.journal import Journal
from load.drills.notifications import Alert, Notification
from load.drills.prober import Attempt, Prober
from load.drills.score import Revision
from load.drills.world import World

CATALOGUE = catalogue.load()
RULES = Path(__file__).parents[3] / "alerts" / "rules"
DRILLS = descriptor.load()
each_drill = pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)

RESULT = Result(
    drill="payments-killed",
    kind="process-killed",
    control=False,
    expected="ServiceDown (payments)",
    severity="page",
    at=0.0,
    noticed=True,
    seconds_to_notice=40.0,
    named=True,
    first="ServiceDown(payments)",
    pages=1,
    notifications=1,
    tickets=0,
    pages_uninhibited=3,
    seconds_to_resolve=90.0,
    impact_claimed="place-order",
    impact_felt=True,
    impact=[],
)
CONTROL = dataclasses.replace(RESULT, control=True, noticed=False, named=False, pages=0, severity="none", first="")


@each_drill
def test_a_drill_uses_known_actions_and_alerts(drill: Drill) -> None:
    assert all(step.action in ACTIONS for step in drill.steps)
    if drill.expected:
        rules = "".join(path.read_text() for path in RULES.glob("*.yml"))
        unknown = [
            name for name in drill.expected.alerts if f"alert: {name}\n" not in rules and name != "WatchdogSilent"
        ]
        assert not unknown, f"no rule is named {unknown}"


@each_drill
def test_a_drill_uses_only_names_from_the_catalogue(drill: Drill) -> None:
    proxies = {edge.proxy_name for edge in CATALOGUE.proxied_edges()}
    databases = {service.database for service in CATALOGUE.services.values()}
    for step in drill.steps:
        if "proxy" in step.arguments:
            assert step.arguments["proxy"] in proxies
        if step.action in ("lock", "sql"):
            assert step.arguments["database"] in databases | {"postgres"}


def test_there_are_enough_faults_controls_and_a_smoke_set() -> None:
    faults = [drill for drill in DRILLS.values() if not drill.is_control]
    smoke = [drill for drill in DRILLS.values() if "smoke" in drill.sets]
    assert len(faults) >= 28
    assert len(DRILLS) - len(faults) >= 7
    assert len({drill.kind for drill in smoke if not drill.is_control}) >= 5
    assert any(drill.is_control for drill in smoke)


def test_the_hour_without_a_fault_runs_only_when_requested() -> None:
    long = {name for name, drill in DRILLS.items() if drill.is_long}
    assert long == {"control-healthy-hour"}
    for several in ("all", "faults", "controls", "smoke"):
        assert long.isdisjoint({drill.name for drill in chosen(DRILLS, several)}), several
    assert {drill.name for drill in chosen(DRILLS, "hour")} == long


@pytest.mark.parametrize(
    "text",
    [
        "title: x",
        "{title: x, kind: k, impact: i, steps: [], surprise: 1}",
        "{title: x, kind: k, impact: i, steps: [{do: stop, process: users}], seconds: 999}",
        "{title: x, kind: k, impact: i, steps: [], seconds: 9999}",
        "{title: x, kind: k, impact: i, steps: [], expect: {alerts: [A], root: r, severity: loud}}",
    ],
)
def test_a_wrong_descriptor_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(DescriptorError, match=r"wrong\.yaml"):
        descriptor.load(tmp_path)


def test_the_journal_survives_a_crash_and_ends_empty(tmp_path: Path) -> None:
    Journal(tmp_path / "run" / "journal.json").add("stop", {"process": "users"})
    second = Journal(tmp_path / "run" / "journal.json")
    second.add("cut", {"proxy": "orders-users"})
    assert second.entries() == [("stop", {"process": "users"}), ("cut", {"proxy": "orders-users"})]
    for entry in second.entries():
        second.done(entry)
    assert second.entries() == []
    assert not (tmp_path / "run" / "journal.json").exists()


def test_leftovers_are_undone_in_reverse_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undone: list[Any] = []
    monkeypatch.setattr(
        actions, "ACTIONS", {"break": Action(lambda *_: None, lambda _, arguments: undone.append(arguments["what"]))}
    )
    journal = Journal(tmp_path / "journal.json")
    for what in ("first", "second"):
        journal.add("break", {"what": what})
    engine.restore_leftovers(cast(World, None), journal, lambda _: None)
    assert undone == ["second", "first"]
    assert journal.entries() == []


def test_undoing_is_retried_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def undo(*_: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError

    monkeypatch.setattr(actions, "ACTIONS", {"break": Action(lambda *_: None, undo)})
    monkeypatch.setattr(actions.time, "sleep", lambda _: None)
    actions.undo_until_it_works(cast(World, None), "break", {})
    assert len(tries) == 3


def test_signals_are_deferred_until_everything_is_restored() -> None:
    steps: list[str] = []

    def restore() -> None:
        with interrupts.held_back():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            steps.append("restored")

    with pytest.raises(KeyboardInterrupt):
        restore()
    assert steps == ["restored"]


def test_a_notification_counts_its_firing_alerts() -> None:
    alerts = (Alert("A", "page", "users", "resolved"), Alert("B", "ticket", "orders", "firing"))
    notification = Notification(1, 0.0, "g", "firing", alerts)
    assert [alert.name for alert in notification.firing] == ["B"]
    assert notification.has("ticket")
    assert not notification.has("page")


def test_the_impact_compares_before_with_during() -> None:
    prober = Prober.__new__(Prober)
    prober.attempts = [Attempt("browse", at, 0.1, True) for at in range(10)]
    prober.attempts += [Attempt("browse", at, 0.1, at % 2 == 0) for at in range(10, 20)]
    prober.attempts += [Attempt("login", at, 0.1, True) for at in range(20)]
    felt = {impact.journey: impact.is_felt for impact in prober.impact(10, 20)}
    assert felt == {"browse": True, "login": False}


def test_scores_publish_misses_and_false_pages() -> None:
    missed = dataclasses.replace(RESULT, noticed=False, named=False, seconds_to_notice=None, pages=0, first="")
    noisy = dataclasses.replace(CONTROL, pages=1)
    figures = score.figures([RESULT, missed, CONTROL, noisy])
    assert (figures["recall"], figures["precision"], figures["controls_quiet"]) == (0.5, 0.5, 0.5)
    text = score.table([RESULT, missed, CONTROL, noisy])
    assert "**no**" in text
    assert "**paged**" in text


def test_scores_publish_how_many_were_never_notified_as_resolved() -> None:
    open_ended = dataclasses.replace(RESULT, seconds_to_resolve=None)
    unseen = dataclasses.replace(RESULT, noticed=False, seconds_to_resolve=None)
    figures = score.figures([RESULT, open_ended, unseen, CONTROL])
    assert (figures["resolved"], figures["resolved_slowest"]) == (0.5, RESULT.seconds_to_resolve)
    assert "| resolved notification received while the drill waited | 0.5 | 2 noticed runs |" in score.table(
        [RESULT, open_ended]
    )


def test_scores_publish_how_often_a_kind_of_fault_was_tried() -> None:
    elsewhere = dataclasses.replace(RESULT, drill="orders-killed")
    other = dataclasses.replace(RESULT, drill="users-hangs", kind="process-hangs")
    text = score.table([RESULT, RESULT, elsewhere, other, CONTROL, CONTROL])
    assert "| kinds of fault with three runs or more | 1 | 2 kinds |" in text
    assert "| 4 runs of 3 drills |" in text
    assert "| controls that paged no team | 1 | 2 runs of 1 drills |" in text


def test_scores_without_results_have_no_values() -> None:
    assert score.figures([])["recall"] is None
    assert "| – | 0 runs of 0 drills |" in score.table([])


REVISION = Revision("abc", "c0ffee")


def test_results_of_one_state_are_summed_up(tmp_path: Path) -> None:
    score.write([RESULT], REVISION, datetime(2026, 1, 1, tzinfo=UTC), tmp_path)
    # Another commit of the same state, such as a corrected text.
    score.write([RESULT, CONTROL], Revision("abc", "decade"), datetime(2026, 1, 2, tzinfo=UTC), tmp_path)
    score.write([RESULT], Revision("other", "c0ffee"), datetime(2026, 1, 3, tzinfo=UTC), tmp_path)
    assert len(score.read("abc", tmp_path)) == 3
    assert len(score.read(None, tmp_path)) == 4


def test_a_table_shows_misses() -> None:
    missed = dataclasses.replace(RESULT, noticed=False, named=False, seconds_to_notice=None, pages=0, first="")
    text = score.table([RESULT, missed])
    assert "| faults noticed (recall) | 0.5 | 2 runs of 1 drills |" in text
    assert "**no**" in text


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("alerts/rules/edges.yml", True),
        ("alerts/alertmanager.yml", True),
        ("load/drills/a.yaml", True),
        ("load/drills/engine.py", True),
        ("services/orders/ordering/domain.py", True),
        ("services/contracts/src/contracts/faults.py", True),
        ("observability/django_telemetry/src/django_telemetry/http.py", True),
        ("README.md", False),
        ("docs/alerts.md", False),
        ("dashboards/src/dashboards/builder/edges.py", False),
        ("services/console/config/settings.py", False),
        ("services/orders/tests/test_api.py", False),
        ("load/drills/results/20260101T000000Z.json", False),
        ("observability/rabbitmq/README.md", False),
    ],
)
def test_the_state_covers_only_what_decides_a_drill(tmp_path: Path, name: str, counts: bool) -> None:
    before = score.digest(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one")
    made = score.digest(tmp_path)
    path.write_text("two")
    assert (made != before, score.digest(tmp_path) != made) == (counts, counts)


def test_everything_that_decides_a_drill_exists() -> None:
    root = Path(__file__).parents[3]
    empty = [pattern for pattern in score.DECISIVE if not list(root.glob(pattern))]
    assert not empty, f"nothing matches {empty}: was it moved?"


def test_drills_are_repeated_round_by_round_minus_completed_runs() -> None:
    drills = list(DRILLS.values())[:2]
    first, second = (drill.name for drill in drills)
    assert [drill.name for drill in repeated(drills, 2)] == [first, second, first, second]
    assert [drill.name for drill in repeated(drills, 2, {first: 1, second: 5})] == [first]


class _Runner:
    """Records the releases that it gets."""

    def __init__(self) -> None:
        self.released: list[dict[str, str]] = []
        usual = {"SERVICE_VERSION": "1", "OTEL_RESOURCE_ATTRIBUTES": "service.version=1,service.instance.id=orders"}
        self.processes = {"orders": SimpleNamespace(environment=usual)}

    def release(self, name: str, changes: dict[str, str]) -> None:
        assert name == "orders"
        self.released.append(dict(changes))


def test_a_release_sets_its_version_everywhere_and_is_rolled_back() -> None:
    runner = _Runner()
    world = cast(World, SimpleNamespace(runner=runner))
    arguments = {"process": "orders", "version": "9", "faults": {"error_ratio": 0.2}, "environment": {"A": 1}}
    ACTIONS["release"].do(world, arguments)
    ACTIONS["release"].undo(world, arguments)
    (changes, back) = runner.released
    version = changes["SERVICE_VERSION"]
    assert version.startswith("9-")
    assert changes == {
        "A": "1",
        "SERVICE_VERSION": version,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.version={version},service.instance.id=orders",
        "ENVIRONMENT": "drill",
        "FAULTS": "error_ratio=0.2",
    }
    assert back == {}


@each_drill
def test_the_faults_of_a_drill_are_known_to_the_services(drill: Drill) -> None:
    for step in drill.steps:
        if "faults" in step.arguments:
            flags = ",".join(f"{name}={value}" for name, value in step.arguments["faults"].items())
            assert faults.load("drill", {"FAULTS": flags})


def test_a_mark_that_cannot_be_stored_does_not_stop_a_drill() -> None:
    # Nothing listens on this port.
    world = cast(World, SimpleNamespace(url=lambda _: "http://127.0.0.1:9"))
    marks.put(world, "payments-killed", "injected", 0.0)
