"""Counter increases within a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django_telemetry.metrics import registry


@contextmanager
def counted(name: str, **labels: str) -> Iterator[Callable[[], float]]:
    """Yield a function that returns the increase of the series since the block began."""

    def value() -> float:
        sample = registry.get_sample_value(name, labels)
        assert sample is not None, f"expected the series {name}{labels} to start at 0, but there is none"
        return sample

    before = value()
    yield lambda: value() - before
