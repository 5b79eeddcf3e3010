"""The generated files: rules by file, and alertmanager.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from catalogue import Catalogue

from alerts.generator import alertmanager, databases, edges, messaging, services, slo, telemetry, thresholds, traffic
from alerts.generator.describe import Describer
from alerts.generator.model import Alert, Group, rules_file

FOLDER = Path(__file__).resolve().parents[3]
VIEWS = FOLDER / "views.yaml"


def groups(catalogue: Catalogue) -> Mapping[str, tuple[Group, ...]]:
    """The rule groups by the name of their file in rules/, without suffix."""
    limits = thresholds.load()
    describer = Describer(catalogue)
    return {
        "recording": (
            edges.recorded(limits),
            services.recorded(catalogue, limits),
            messaging.recorded(),
            databases.recorded(),
            telemetry.recorded(),
        ),
        "slo": (*slo.recorded(catalogue, views()), slo.alerts(describer, limits)),
        "services": (services.alerts(catalogue, describer, limits),),
        "edges": (edges.alerts(catalogue, describer, limits),),
        "messaging": (messaging.alerts(catalogue, describer, limits),),
        "databases": (databases.alerts(catalogue, describer, limits),),
        "traffic": (traffic.alerts(catalogue, describer, limits),),
        "telemetry": (telemetry.alerts(catalogue, describer, limits),),
    }


def views() -> dict[str, str]:
    """The value of django-prometheus's `view` label by journey."""
    found: dict[str, str] = yaml.safe_load(VIEWS.read_text())
    return found


def alerts(catalogue: Catalogue) -> list[Alert]:
    """The alerting rules of all groups."""
    return [
        rule for file in groups(catalogue).values() for group in file for rule in group.rules if isinstance(rule, Alert)
    ]


def files(catalogue: Catalogue) -> Mapping[Path, str]:
    """The text of each generated file by its path."""
    rules = {FOLDER / "rules" / f"{name}.yml": rules_file(content) for name, content in groups(catalogue).items()}
    return rules | {FOLDER / "alertmanager.yml": alertmanager.configuration(catalogue)}
