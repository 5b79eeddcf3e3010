"""The exporter's queries run on the PostgreSQL of this machine, whichever version it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import yaml
from platformctl.paths import repository_root

FILE = repository_root() / "observability" / "postgres" / "exporter-queries.yaml"
QUERIES: dict[str, dict[str, Any]] = yaml.safe_load(Path(FILE).read_text())


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_returns_a_value_for_each_of_its_metrics(name: str) -> None:
    query = QUERIES[name]
    usage = {column: how["usage"] for metric in query["metrics"] for column, how in metric.items()}
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], connect_timeout=10) as connection:
        answer = connection.execute(cast("Any", query["query"]))
        assert answer.description is not None
        names = [column.name for column in answer.description]
        rows = answer.fetchall()
    assert set(names) == set(usage)
    assert rows
    # Only pg_monitor may see the labels of other roles' statements; the exporter is a member, the tests' role isn't.
    numbers = [position for position, name in enumerate(names) if usage[name] != "LABEL"]
    assert [row for row in rows if None in [row[position] for position in numbers]] == []
