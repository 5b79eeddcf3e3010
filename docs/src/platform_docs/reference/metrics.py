"""Every metric, from observability/metrics.yaml and the services' own, which tests compare with what they emit."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

SOURCES = (ROOT / "observability" / "metrics.yaml", *sorted(ROOT.glob("services/[!_]*/metrics.yaml")))
_INTRODUCTION = """\
# Metrics

Prometheus adds the target's labels to every sample: `job`, `instance`, and for the services `service` and `process`
(the replica). Histograms have the samples `_bucket`, `_count` and `_sum`. Families of backends are listed where a
dashboard or a rule uses them. Tests compare this list with what the running platform exposes.
"""


def page() -> str:
    """The page."""
    return "\n".join([_INTRODUCTION, *_emitters()])


def _emitters() -> Iterator[str]:
    for emitter in (emitter for source in SOURCES for emitter in yaml.safe_load(source.read_text())["emitters"]):
        rows = [
            (
                code(name),
                family["type"],
                family["unit"],
                ", ".join(map(code, family.get("labels", ()))),
                family["meaning"] + (f" First series: {family['appears']}." if "appears" in family else ""),
            )
            for name, family in emitter["families"].items()
        ]
        title = emitter["name"]
        yield f"## {title[0].upper()}{title[1:]}\n"
        yield table(("family", "type", "unit", "labels", "meaning"), rows)
