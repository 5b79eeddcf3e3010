"""Groups similar texts: identifiers and numbers are masked, the rest is grouped by drain3."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cache

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

_SIMILAR = 0.6
_MOST_CLUSTERS = 500
_LONGEST = 500
# In order: the longest and most specific first.
_MASKS = (
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "UUID"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b", "ADDRESS"),
    (r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", "HEX"),
    (r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?=$|[^\w]|(?:ms|us|s|m|h|B|KiB|MiB|GiB|%)\b)", "NUM"),
)


@dataclass(frozen=True)
class Text:
    """A text with its time. Only texts with the same `group` are compared."""

    group: Hashable
    text: str
    is_after: bool


@dataclass
class Pattern:
    """Texts that are equal except for numbers: the counts before and after, and one example."""

    group: Hashable
    template: str
    before: int
    after: int
    example: int

    @property
    def is_new(self) -> bool:
        """Return whether it did not occur before."""
        return self.before == 0 and self.after > 0

    def grew(self, before_seconds: float, after_seconds: float, factor: float) -> bool:
        """Return whether its rate increased at least by `factor`, and its count by at least 5 over the expected one."""
        if self.is_new or not self.after or before_seconds <= 0 or after_seconds <= 0:
            return False
        expected = self.before / before_seconds * after_seconds
        return self.after >= factor * expected and self.after - expected >= 5


def find(texts: Iterable[Text]) -> list[Pattern]:
    """Group texts. `example` of a pattern is the index of its first text after the onset, or of its first text."""
    miners: dict[Hashable, TemplateMiner] = {}
    clusters: dict[tuple[Hashable, str], int] = {}
    counts: Counter[tuple[Hashable, int, bool]] = Counter()
    first: dict[tuple[Hashable, int, bool], int] = {}
    for index, item in enumerate(texts):
        text = " ".join(item.text[:_LONGEST].split())
        key = item.group, text
        if key not in clusters:
            miner = miners.setdefault(item.group, TemplateMiner(config=_config()))
            clusters[key] = int(miner.add_log_message(text)["cluster_id"])
        place = item.group, clusters[key], item.is_after
        counts[place] += 1
        first.setdefault(place, index)
    found = []
    for group, cluster in dict.fromkeys((group, cluster) for group, cluster, _ in counts):
        known = miners[group].drain.id_to_cluster.get(cluster)
        template = known.get_template() if known is not None else "…"
        example = first.get((group, cluster, True), first.get((group, cluster, False), 0))
        found.append(Pattern(group, template, counts[group, cluster, False], counts[group, cluster, True], example))
    return found


def mask(text: str) -> str:
    """Replace identifiers and numbers in a text by their kind: order <UUID> took <NUM> ms."""
    for pattern, name in _MASKS:
        text = re.sub(pattern, f"<{name}>", text)
    return text


@cache
def _config() -> TemplateMinerConfig:
    config = TemplateMinerConfig()
    config.drain_sim_th = _SIMILAR
    config.drain_max_clusters = _MOST_CLUSTERS
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in _MASKS]
    return config
